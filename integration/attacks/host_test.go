// Package attacks_test has an attacker's moves, one file for each class of them. Each goes through the whole program: token,
// certificate, the command line of sshd, the built verifier as a user without rights, the reason in its log. They need root, whose
// files a host's are.
package attacks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/process"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestMain(m *testing.M) {
	// Most of the time goes into waiting for what is slow or hangs.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

const (
	// allowed is the want of controls: the same move without its fault gets in, so that it is the fault that is refused.
	allowed = ""
	// silent: the key is none of ours, and the verifier says nothing at all.
	silent = "silent"
)

// maxMemory is what one verification may take, in KiB, whatever it is given.
const maxMemory = 64 << 10

// commandUser is whom the verifier runs as: without any rights, as opksshuser is.
const commandUser = 65534

// host is a folder that stands for /etc/opk, root's, and one for the cache, the command user's.
type host struct {
	config, cache string

	within []string // the command that runs the verifier inside something, as the command user
}

// newHost has the rows given in providers and auth_id.
func newHost(t *testing.T, providers, rules string) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: the verifier reads root's files alone")
	}
	dir := openFolder(t)
	h := &host{config: filepath.Join(dir, "opk"), cache: filepath.Join(dir, "cache")}
	check(t, os.Mkdir(h.cache, 0o700))
	check(t, os.Chown(h.cache, commandUser, commandUser))
	check(t, os.Chmod(endtoend.Programs(t), 0o755))
	h.write(t, "config.yml", logToStderr)
	h.write(t, "providers", providers)
	h.write(t, "auth_id", rules)
	return h
}

// openFolder is a temporary folder of root's that everybody may look into: what is refused there is refused for what it is.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Chmod(filepath.Dir(dir), 0o755))
	check(t, os.Chmod(dir, 0o755))
	return dir
}

const logToStderr = "log: {to: stderr}\n"

// newIssuerHost believes an issuer of its own, and lets alice@example.com in as alice.
func newIssuerHost(t *testing.T) (*host, *issuer.Issuer) {
	t.Helper()
	op := issuer.Start(t)
	return newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n"), op
}

func (h *host) write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(h.config, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// heldKeys is the cache's file about the one provider that was asked.
func (h *host) heldKeys(t *testing.T) (path string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.cache, "provider-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("expected one provider's keys in the cache, got %q, %v", files, err)
	}
	return files[0]
}

// age makes held keys older, as if they had been fetched and had been fresh that much earlier.
func (h *host) age(t *testing.T, by time.Duration) {
	t.Helper()
	path := h.heldKeys(t)
	endtoend.MoveHeldKeys(t, path, -by)
	check(t, os.Remove(strings.TrimSuffix(path, ".json")+".attempt"))
}

// offer is a key as sshd hands it over.
type offer struct {
	user, keyType string
	wire          []byte
	line          string // what lets the certificate in
}

// answer is how a run of the verifier ended.
type answer struct {
	stdout, stderr string
	code           int
	log            map[string][]map[string]any // the lines of standard error that are JSON, by msg
}

// verify is the command line of sshd_config. flags are the administrator's.
func (h *host) verify(t *testing.T, o *offer, flags ...string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience)
	defer cancel()
	cmd := h.command(ctx, t, o, flags...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A plugin's child must not keep the test waiting for the end of the output.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err) // perhaps in a goroutine of the test's
		return &answer{}
	}
	if ctx.Err() != nil {
		t.Errorf("expected an answer within %v", process.Patience)
	}
	// Linux counts what the process had before it executed the program: our own memory, which -race makes large.
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		t.Error(err)
	}
	if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used >= maxMemory && used > own.Maxrss {
		t.Errorf("memory: expected less than %d KiB, got %d", maxMemory, used)
	}
	return newAnswer(t, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode())
}

func (h *host) command(ctx context.Context, t *testing.T, o *offer, flags ...string) *exec.Cmd {
	t.Helper()
	line := slices.Concat(h.within, []string{endtoend.Verifier(t), "verify", "--config-dir", h.config, "--cache-dir=" + h.cache}, flags,
		[]string{o.user, base64.StdEncoding.EncodeToString(o.wire), o.keyType})
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	if h.within == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: commandUser, Gid: commandUser}}
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	return cmd
}

func newAnswer(t *testing.T, stdout, stderr string, code int) *answer {
	t.Helper()
	a := &answer{stdout: stdout, stderr: stderr, code: code, log: map[string][]map[string]any{}}
	for line := range strings.Lines(a.stderr) {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("log: expected printable ASCII, got %q", line)
		}
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil {
			msg, _ := record["msg"].(string)
			a.log[msg] = append(a.log[msg], record)
		}
	}
	return a
}

// attack offers a key, and wants what the verifier says about it: a reason, allowed or silent.
func (h *host) attack(t *testing.T, o *offer, want string, flags ...string) *answer {
	t.Helper()
	a := h.verify(t, o, flags...)
	a.want(t, o, want)
	return a
}

func (a *answer) want(t *testing.T, o *offer, want string) {
	t.Helper()
	line := ""
	if want == allowed {
		line = o.line
	}
	if a.code != 0 || a.stdout != line {
		t.Errorf("expected exit code 0 and the output %q, got %d and %q", line, a.code, a.stdout)
	}
	decisions := a.log["login"]
	if want == silent {
		if a.stderr != "" {
			t.Errorf("expected silence, got\n%s", a.stderr)
		}
		return
	}
	if len(decisions) != 1 {
		t.Fatalf("expected one decision, got\n%s", a.stderr)
	}
	reason, _ := decisions[0]["reason"].(string)
	if reason != want || (decisions[0]["decision"] == "allow") != (want == allowed) {
		t.Errorf("expected the reason %q, got %v", want, decisions[0])
	}
}

// authorizedKeysLine is what lets a certificate in: its principals, its key and nothing else.
func authorizedKeysLine(key ssh.PublicKey, principals []string) string {
	option := "cert-authority"
	if len(principals) > 0 {
		option += `,principals="` + strings.Join(principals, ",") + `"`
	}
	return option + " " + string(ssh.MarshalAuthorizedKey(key))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
