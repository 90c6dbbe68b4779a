// Package verifier_test runs the built verifier as sshd does, on folders of its own. It needs root, whose files a host's are.
package verifier_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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

var alice = map[string]any{"email": "alice@example.com", "email_verified": true}

// host is a folder that stands for /etc/opk, and one for the cache.
type host struct {
	config, cache string
	issuer        *issuer.Issuer
}

// newHost believes its issuer, and lets alice in as alice and root.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: the verifier reads root's files alone")
	}
	dir := t.TempDir()
	h := &host{config: filepath.Join(dir, "opk"), cache: filepath.Join(dir, "cache"), issuer: issuer.Start(t)}
	if err := os.Mkdir(h.cache, 0o700); err != nil {
		t.Fatal(err)
	}
	h.write(t, "config.yml", "log: {to: stderr}\n")
	h.write(t, "providers", h.issuer.URL+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id", "alice alice@example.com "+h.issuer.URL+"\nroot alice@example.com "+h.issuer.URL+"\n")
	return h
}

func (h *host) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.config, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answer is how a run ended. Log has the lines of standard error that are JSON, by their msg: each is held to the schema.
type answer struct {
	stdout, stderr string
	code           int
	log            map[string][]map[string]any
}

// decision is the record of the login.
func (a *answer) decision(t *testing.T) map[string]any {
	t.Helper()
	if len(a.log["login"]) != 1 {
		t.Fatalf("expected one decision, got\n%s", a.stderr)
	}
	return a.log["login"][0]
}

// verify is the command line of sshd_config with a key in the places of %k and %t.
func (h *host) verify(t *testing.T, user string, key ssh.PublicKey, tokens ...string) *answer {
	t.Helper()
	return run(t, append(h.arguments(user, key), tokens...)...)
}

func (h *host) arguments(user string, key ssh.PublicKey) []string {
	return []string{"verify", "--config-dir", h.config, "--cache-dir=" + h.cache, user, base64.StdEncoding.EncodeToString(key.Marshal()), key.Type()}
}

func run(t *testing.T, args ...string) *answer {
	t.Helper()
	return runCommand(t, exec.Command(endtoend.Verifier(t), args...))
}

func runCommand(t *testing.T, cmd *exec.Cmd) *answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, []string{"PATH=" + os.Getenv("PATH")}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return newAnswer(t, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode())
}

// forNobody gives the verifier to a user without rights, as sshd does.
func (h *host) forNobody(t *testing.T) (verifier func(arguments ...string) *exec.Cmd) {
	t.Helper()
	const nobody = 65534
	dir := filepath.Dir(h.config)
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		check(t, os.Chmod(folder, 0o755))
	}
	check(t, os.Chown(h.cache, nobody, nobody))
	program := filepath.Join(dir, "verifier")
	if out, err := exec.Command("install", endtoend.Verifier(t), program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(arguments ...string) *exec.Cmd {
		cmd := exec.Command(program, arguments...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}
}

func newAnswer(t *testing.T, stdout, stderr string, code int) *answer {
	t.Helper()
	a := &answer{stdout: stdout, stderr: stderr, code: code, log: map[string][]map[string]any{}}
	for line := range strings.Lines(a.stderr) {
		if strings.HasPrefix(line, "{") {
			record := holdToSchema(t, line)
			msg := fmt.Sprint(record["msg"])
			a.log[msg] = append(a.log[msg], record)
		}
	}
	return a
}

func wantLine(t *testing.T, a *answer, id *issuer.Identity) {
	t.Helper()
	want := `cert-authority,principals="opkssh-wildcard" ` + string(ssh.MarshalAuthorizedKey(id.Certificate.Key))
	if a.code != 0 || a.stdout != want {
		t.Fatalf("expected exit code 0 and %q, got %d and %q\n%s", want, a.code, a.stdout, a.stderr)
	}
}

func wantReason(t *testing.T, a *answer, reason string) map[string]any {
	t.Helper()
	if a.code != 0 || a.stdout != "" {
		t.Fatalf("expected exit code 0 and no output, got %d and %q\n%s", a.code, a.stdout, a.stderr)
	}
	d := a.decision(t)
	if d["decision"] != "deny" || d["reason"] != reason {
		t.Fatalf("expected a denial with the reason %q, got %v", reason, d)
	}
	return d
}
