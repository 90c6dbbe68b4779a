// Package faults_test breaks what the built verifier stands on, one thing at a time. Three promises hold whatever breaks:
//
//   - nobody is let in who should not be;
//   - no file of the host is spoiled;
//   - nobody is locked out whose provider's keys the cache still knows.
//
// It needs root, whose files a host's are.
package faults_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

// host is a folder that stands for /etc/opk, one for the cache, and three people: alice has a rule, bob has none, and mallory
// says to be alice, with a token that the provider has not signed.
type host struct {
	config, cache       string
	op                  *provider
	alice, bob, mallory *issuer.Identity

	within []string // the command that runs the verifier inside something
}

func newHost(t *testing.T) *host {
	t.Helper()
	return newHostOf(t, startProvider(t))
}

// newHostOf believes in the provider.
func newHostOf(t *testing.T, op *provider) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: the verifier reads root's files alone")
	}
	dir := t.TempDir()
	h := &host{config: filepath.Join(dir, "opk"), cache: filepath.Join(dir, "cache"), op: op}
	check(t, os.Mkdir(h.cache, 0o700))
	h.writeConfig(t, patient)
	h.write(t, "providers", h.op.url+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id", "alice alice@example.com "+h.op.url+"\n")
	h.alice, h.bob = h.op.login(t, "alice@example.com"), h.op.login(t, "bob@example.com")
	impostor := &issuer.Issuer{Issuer: pktokentest.NewIssuer(t, h.op.url, "ES256")}
	impostor.Kid = h.op.signer().Kid
	h.mallory = impostor.Login(t, claims("alice@example.com"))
	return h
}

// How long a login waits for its provider. Where an answer comes, the longest that a login has: a slow machine is no fault. Where none
// comes, there must be time left for what is held.
const (
	patient   = "4s"
	impatient = "1s"
)

// writeConfig has further lines of config.yml after those of each host.
func (h *host) writeConfig(t *testing.T, timeout string, more ...string) {
	t.Helper()
	lines := append([]string{"log: {to: stderr}", "key_cache: {timeout: " + timeout + "}", "deny_emails: [carol@example.com]"}, more...)
	h.write(t, "config.yml", strings.Join(lines, "\n")+"\n")
}

func claims(email string) map[string]any {
	return map[string]any{"email": email, "email_verified": true}
}

func (h *host) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.config, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

// answer is how a run ended. reason is the decision's, "" for a login that was allowed or a run that logged none.
type answer struct {
	stdout, stderr, reason string
	code                   int
}

func (h *host) arguments(user string, key ssh.PublicKey) []string {
	return []string{"verify", "--config-dir", h.config, "--cache-dir", h.cache, user, base64.StdEncoding.EncodeToString(key.Marshal()), key.Type()}
}

func (h *host) verify(t *testing.T, id *issuer.Identity) *answer {
	t.Helper()
	return run(t, h.command(t, h.arguments("alice", id.Certificate)...))
}

// command runs the verifier where the host is.
func (h *host) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	line := append(append([]string{}, h.within...), endtoend.Verifier(t))
	line = append(line, args...)
	return exec.Command(line[0], line[1:]...)
}

func run(t *testing.T, cmd *exec.Cmd) *answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if cmd.Env == nil {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return newAnswer(stdout.String(), stderr.String(), cmd.ProcessState.ExitCode())
}

func newAnswer(stdout, stderr string, code int) *answer {
	a := &answer{stdout: stdout, stderr: stderr, code: code}
	for line := range strings.Lines(a.stderr) {
		var record struct{ Msg, Reason string }
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &record) == nil && record.Msg == "login" {
			a.reason = record.Reason
		}
	}
	return a
}

// in is whether a line let this identity in; any other output is a failure of its own.
func (a *answer) in(t *testing.T, id *issuer.Identity) bool {
	t.Helper()
	want := `cert-authority,principals="opkssh-wildcard" ` + string(ssh.MarshalAuthorizedKey(id.Certificate.Key))
	if a.stdout != "" && a.stdout != want {
		t.Fatalf("expected %q or nothing, got %q\n%s", want, a.stdout, a.stderr)
	}
	return a.stdout != ""
}

// wantIn is the third promise.
func (h *host) wantIn(t *testing.T) {
	t.Helper()
	if a := h.verify(t, h.alice); a.code != 0 || !a.in(t, h.alice) {
		t.Fatalf("expected alice to get in, got exit code %d and\n%s", a.code, a.stderr)
	}
}

// wantReason is a refusal of alice that names what is wrong.
func (h *host) wantReason(t *testing.T, id *issuer.Identity, reason string) {
	t.Helper()
	if a := h.verify(t, id); a.code != 0 || a.stdout != "" || a.reason != reason {
		t.Fatalf("expected a denial with the reason %q, got exit code %d, %q and\n%s", reason, a.code, a.stdout, a.stderr)
	}
}

// wantOthersOut is the first promise.
func (h *host) wantOthersOut(t *testing.T) {
	t.Helper()
	for name, id := range map[string]*issuer.Identity{"bob": h.bob, "mallory": h.mallory} {
		if a := h.verify(t, id); a.stdout != "" {
			t.Fatalf("%s was let in: %q\n%s", name, a.stdout, a.stderr)
		}
	}
}

// warm fills the cache.
func (h *host) warm(t *testing.T) {
	t.Helper()
	h.wantIn(t)
	if _, err := os.Stat(h.keysFile(t)); err != nil {
		t.Fatal(err)
	}
}

func (h *host) keysFile(t *testing.T) string {
	t.Helper()
	issuer, err := url.Parse(h.op.url)
	check(t, err)
	files, err := filepath.Glob(filepath.Join(h.cache, "provider-"+issuer.Hostname()+"-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("expected one provider's keys in the cache, got %q, %v", files, err)
	}
	return files[0]
}

// moveCache moves the times of what is held: by -2h, it looks as if the host's clock had been moved two hours on.
func (h *host) moveCache(t *testing.T, by time.Duration) {
	t.Helper()
	path := h.keysFile(t)
	endtoend.MoveHeldKeys(t, path, by)
	attempt := strings.TrimSuffix(path, ".json") + ".attempt"
	check(t, os.WriteFile(attempt, []byte(time.Now().Add(by).UTC().Format(time.RFC3339Nano)+"\n"), 0o600))
}

// wantCacheSound is the second promise, for the cache: each file can be read.
func (h *host) wantCacheSound(t *testing.T) {
	t.Helper()
	a := run(t, h.command(t, "keys", "list", "-v", "--config-dir", h.config, "--cache-dir", h.cache))
	if a.code != 0 || strings.Contains(a.stderr, "ignored") {
		t.Fatalf("the cache is spoiled: exit code %d\n%s%s", a.code, a.stdout, a.stderr)
	}
}

// guardFiles is the second promise, for the configuration: at the end of the test each file is what it is now.
func (h *host) guardFiles(t *testing.T) {
	t.Helper()
	before := snapshot(t, h.config)
	t.Cleanup(func() {
		if after := snapshot(t, h.config); !maps.Equal(before, after) {
			t.Errorf("the configuration was changed: expected\n%v\ngot\n%v", before, after)
		}
	})
}

func snapshot(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(data)
		}
		stat := info.Sys().(*syscall.Stat_t)
		files[path] = fmt.Sprintf("%v %d:%d %s", info.Mode(), stat.Uid, stat.Gid, text)
		return nil
	}))
	return files
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
