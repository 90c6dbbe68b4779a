package endtoend_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/cisystem"
	"opkssh/integration/endtoend"
)

// ciRunner is a machine of a CI system with a fresh home folder.
type ciRunner struct {
	home        string
	environment []string
}

func newCIRunner(t *testing.T, s *cisystem.System) *ciRunner {
	t.Helper()
	home := t.TempDir()
	return &ciRunner{home: home, environment: append(s.Environment(), "HOME="+home, "PATH="+os.Getenv("PATH"), "TZ=UTC")}
}

func (r *ciRunner) opkssh(t *testing.T, args ...string) (output string, exitCode int) {
	t.Helper()
	cmd := exec.Command(endtoend.Opkssh(t), args...)
	cmd.Env = r.environment
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (r *ciRunner) key() string { return filepath.Join(r.home, ".ssh", "id_ecdsa") }

// wantNothingSecret reads every file that the job has written.
func (r *ciRunner) wantNothingSecret(t *testing.T, s *cisystem.System) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(r.home, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		s.WantNoSecret(t, path, string(data))
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// reach lets the host reach a GitHub that is behind a proxy.
func reach(t *testing.T, h *endtoend.Host, g *cisystem.GitHub) {
	t.Helper()
	ca, err := os.ReadFile(g.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(t, "ca.pem", string(ca))
	h.Config(t, fmt.Sprintf("env_vars: {SSL_CERT_FILE: /etc/opk/ca.pem, HTTPS_PROXY: %q}\n", g.Proxy))
}

// TestCIJobs: a job of each CI system logs in and reaches what its rules say; the provider's signature and the job's secrets are
// nowhere but where the CI system put them.
func TestCIJobs(t *testing.T) {
	for _, test := range []struct {
		alias    string
		start    func(*testing.T, *endtoend.Host) *cisystem.System
		row      string // of providers, after the issuer
		identity string
		other    string // an identity that the job does not have
		wrongRow string
	}{
		{
			"github", func(t *testing.T, h *endtoend.Host) *cisystem.System {
				g := cisystem.StartGitHub(t)
				reach(t, h, g)
				return g.System
			}, "github oidc", "repo:acme/app:ref:refs/heads/*", "repo:acme/app:ref:refs/tags/*", "github oidc commitment=nonce",
		},
		{
			"forgejo", func(t *testing.T, _ *endtoend.Host) *cisystem.System { return cisystem.StartForgejo(t) },
			"any oidc", "repo:acme/app:ref:refs/heads/*", "repo:acme/*:pull_request", "any oidc commitment=gq",
		},
		{
			"gitlab-ci", func(t *testing.T, _ *endtoend.Host) *cisystem.System {
				return cisystem.StartGitLab(t, "OPENPUBKEY-PKTOKEN:infra")
			}, "OPENPUBKEY-PKTOKEN:infra oidc commitment=gq", cisystem.GitLabSubject, "project_path:acme/app:ref_type:branch:ref:dev",
			"OPENPUBKEY-PKTOKEN:other oidc commitment=gq",
		},
	} {
		t.Run(test.alias, func(t *testing.T) {
			h := endtoend.StartEmptyHost(t, endtoend.Command)
			s := test.start(t, h)
			h.Write(t, "providers", s.URL+" "+test.row+"\n")
			h.Write(t, "auth_id", fmt.Sprintf("deploy '%s' %s\nbob '%s' %s\n", test.identity, s.URL, test.other, s.URL))
			job := newCIRunner(t, s)
			logs := t.TempDir()
			output, code := job.opkssh(t, "login", test.alias, "-v", "--log-dir", logs)
			if code != 0 {
				t.Fatalf("exit code %d\n%s", code, output)
			}
			log, err := os.ReadFile(filepath.Join(logs, "opkssh.log"))
			if err != nil {
				t.Fatal(err)
			}
			client := h.Client(t, job.key(), job.key()+"-cert.pub")
			wantOutput(t, h, client.SSH(t, "deploy", "id -un"), "deploy\n")
			wantRefused(t, h, client.SSH(t, "bob", "id -un"), "no-rule")
			h.Write(t, "providers", s.URL+" "+test.wrongRow+"\n")
			if r := client.SSH(t, "deploy", "id -un"); r.ExitCode != 255 {
				t.Errorf("with the row %q: %+v", test.wrongRow, r)
			}

			s.WantNoSecret(t, "output", output)
			s.WantNoSecret(t, "opkssh.log", string(log))
			s.WantNoSecret(t, "the host's log", fmt.Sprint(h.Records(t)))
			s.WantNoSecret(t, "sshd's log", h.Log())
			job.wantNothingSecret(t, s)
			if len(s.Given()) != 1 {
				t.Errorf("expected one ID token, got %d", len(s.Given()))
			}
		})
	}
}

// TestServiceAccount: a cluster writes the audience as a list, which the issuer's row must allow.
func TestServiceAccount(t *testing.T) {
	const audience = "OPENPUBKEY-PKTOKEN:infra"
	s := cisystem.StartForgejo(t) // for its keys
	h := endtoend.StartEmptyHost(t, endtoend.Command)
	h.Write(t, "auth_id", "deploy system:serviceaccount:web:deploy "+s.URL+"\n")
	job := newCIRunner(t, s)
	token := filepath.Join(t.TempDir(), "token")
	login := func(t *testing.T, audience ...string) (string, int) {
		jwt := s.Mint(t, map[string]any{"aud": audience, "sub": "system:serviceaccount:web:deploy"})
		if err := os.WriteFile(token, []byte(jwt), 0o600); err != nil {
			t.Fatal(err)
		}
		return job.opkssh(t, "login", "--id-token-file", token)
	}
	if output, code := login(t, audience); code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	client := h.Client(t, job.key(), job.key()+"-cert.pub")
	row := s.URL + " " + audience + " oidc commitment=gq"
	h.Write(t, "providers", row+"\n")
	wantRefused(t, h, client.SSH(t, "deploy", "id -un"), "audience")
	h.Write(t, "providers", row+" aud=array\n")
	wantOutput(t, h, client.SSH(t, "deploy", "id -un"), "deploy\n")
	job.wantNothingSecret(t, s)
	if output, code := login(t, audience, "https://kubernetes.default.svc"); code != 1 {
		t.Errorf("two audiences: exit code %d\n%s", code, output)
	}
}

// TestPrintedKeyLogsIn: what --print-key prints is all that a program needs.
func TestPrintedKeyLogsIn(t *testing.T) {
	s := cisystem.StartForgejo(t)
	h := endtoend.StartEmptyHost(t, endtoend.Command)
	h.Write(t, "providers", s.URL+" any oidc\n")
	h.Write(t, "auth_id", "deploy repo:acme/app:ref:refs/heads/main "+s.URL+"\n")
	job := newCIRunner(t, s)
	cmd := exec.Command(endtoend.Opkssh(t), "login", "forgejo", "--print-key")
	cmd.Env = job.environment
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line, pem, _ := strings.Cut(string(out), "\n")
	if _, err := ssh.ParsePrivateKey([]byte(pem)); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	for file, text := range map[string]string{key: pem, key + "-cert.pub": line + "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantOutput(t, h, h.Client(t, key, key+"-cert.pub").SSH(t, "deploy", "id -un"), "deploy\n")
	if _, err := os.Stat(job.key()); !os.IsNotExist(err) {
		t.Errorf("a key was written: %v", err)
	}
}
