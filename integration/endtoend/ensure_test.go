package endtoend_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/freeport"
	"opkssh/integration/loginform"
	"opkssh/integration/process"
	"opkssh/integration/provider"
	"opkssh/integration/sshd"
)

// typist is a person at a laptop where ssh is set up by opkssh ssh-config, with a browser that this test types into.
type typist struct {
	*endtoend.Person
	sshConfig string

	mu     sync.Mutex
	opened int
	failed []error
}

// newTypist writes config.yml, where lines are further ones of the provider whose host is h, and sets up ssh.
func newTypist(t *testing.T, h *endtoend.Host, p *provider.Provider, lines ...string) *typist {
	t.Helper()
	y := &typist{Person: endtoend.NewPerson(t, p, "alice")}
	config := []string{
		"providers:", "  - alias: work", "    issuer: " + p.Issuer, "    client_id: " + p.ClientID, "    hosts: [127.0.0.1]",
	}
	if p.Kind.AnyLoopbackPort() {
		lines = append(lines, fmt.Sprintf("redirect_uris: [\"http://localhost:%d/login-callback\"]", freeport.Find(t)))
	}
	for _, line := range lines {
		config = append(config, "    "+line)
	}
	y.write(t, ".opk/config.yml", strings.Join(config, "\n")+"\n", 0o600)

	pipe := filepath.Join(y.Home, "addresses")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// Open for writing too, so that it does not end between two browsers.
	addresses, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = addresses.Close() })
	go y.typeInto(addresses)
	y.write(t, "bin/browser", "#!/bin/sh\necho \"$1\" >"+pipe+"\n", 0o700)
	if err := os.Symlink(endtoend.Opkssh(t), filepath.Join(y.Home, "bin", "opkssh")); err != nil {
		t.Fatal(err)
	}
	y.setUp(t, h)
	return y
}

func (y *typist) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	file := filepath.Join(y.Home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// typeInto logs in at each page that the browser opens.
func (y *typist) typeInto(addresses *os.File) {
	for lines := bufio.NewScanner(addresses); lines.Scan(); {
		_, err := loginform.Login(context.Background(), y.Provider.HTTPClient(), lines.Text(), y.User.Name, y.User.Password)
		y.mu.Lock()
		y.opened++
		if err != nil {
			y.failed = append(y.failed, err)
		}
		y.mu.Unlock()
	}
}

// wantLogins checks how many pages the browser has opened until now.
func (y *typist) wantLogins(t *testing.T, want int) {
	t.Helper()
	endtoend.Eventually(t, "the browser's page", func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y.opened >= want
	})
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.opened != want || len(y.failed) > 0 {
		t.Fatalf("expected %d logins, got %d, failures %v", want, y.opened, y.failed)
	}
}

// environment is that of a desktop.
func (y *typist) environment() []string {
	bin := filepath.Join(y.Home, "bin")
	return append(y.Environment(), "BROWSER="+filepath.Join(bin, "browser"), "PATH="+bin+":"+os.Getenv("PATH"))
}

// setUp is opkssh ssh-config, with the host's address and key below. ssh does not take ~ from HOME, so that the lines have to
// name this home folder.
func (y *typist) setUp(t *testing.T, h *endtoend.Host) {
	t.Helper()
	cmd := exec.Command(endtoend.Opkssh(t), "ssh-config")
	cmd.Env = y.environment()
	block, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	client, err := os.ReadFile(h.Client(t, "none", "").Config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(block), "~/.ssh/", filepath.Join(y.Home, ".ssh")+"/") + "Host *\n"
	for line := range strings.Lines(string(client)) {
		if !strings.HasPrefix(line, "IdentityFile") && !strings.HasPrefix(line, "IdentitiesOnly") {
			text += line
		}
	}
	y.sshConfig = filepath.Join(y.Home, "ssh_config")
	y.write(t, "ssh_config", text, 0o600)
}

// ssh runs a command on the host. environment is that of environment() where there is none.
func (y *typist) ssh(t *testing.T, environment ...string) sshd.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", "-F", y.sshConfig, "alice@127.0.0.1", "id -un")
	if cmd.Env = environment; len(environment) == 0 {
		cmd.Env = y.environment()
	}
	cmd.Dir = y.Home
	cmd.WaitDelay = time.Second // a browser that was started may hold the output open
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	_ = cmd.Run()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		t.Errorf("ssh: expected an end within %v\n%s", process.Patience, stderr.String())
		return sshd.Result{ExitCode: -1}
	}
	return sshd.Result{Stdout: out.String(), Stderr: stderr.String(), ExitCode: cmd.ProcessState.ExitCode()}
}

// countAsked puts a program between sshd and ours, and returns how often sshd has asked it.
func countAsked(t *testing.T, h *endtoend.Host) func() int {
	t.Helper()
	h.InstallBinary(t, endtoend.Opkssh(t), "counted")
	h.InstallScript(t, "opkssh", "#!/bin/sh\necho asked >>/var/log/asked\nexec "+sshd.BinDir+"/counted \"$@\"\n")
	file := filepath.Join(h.LogDir, "asked")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.Chown(t, file, sshd.CommandUser)
	return func() int {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(data, []byte("asked\n"))
	}
}

func TestTheFirstSSHOfTheDayLogsIn(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	asked := countAsked(t, h)
	alice := newTypist(t, h, p)
	wantOutput(t, h, alice.ssh(t), "alice\n")
	alice.wantLogins(t, 1)
	for range 10 {
		before := asked()
		wantOutput(t, h, alice.ssh(t), "alice\n")
		if times := asked() - before; times != 2 {
			t.Fatalf("expected sshd to ask twice, got %d times", times)
		}
	}
	alice.wantLogins(t, 1)
	if out, code := alice.Run(t, "logout"); code != 0 {
		t.Fatalf("logout: %d\n%s", code, out)
	}
	wantOutput(t, h, alice.ssh(t), "alice\n")
	alice.wantLogins(t, 2)
}

func TestTenAtOnceLogInOnce(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := newTypist(t, h, p)
	results := make([]sshd.Result, 10)
	var crowd sync.WaitGroup
	for i := range results {
		crowd.Go(func() { results[i] = alice.ssh(t) })
	}
	crowd.Wait()
	for _, r := range results {
		wantOutput(t, h, r, "alice\n")
	}
	alice.wantLogins(t, 1)
}

func TestNobodyCanLogIn(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := newTypist(t, h, p)
	r := alice.ssh(t, append(alice.Environment(), "PATH="+filepath.Join(alice.Home, "bin")+":"+os.Getenv("PATH"))...)
	if r.ExitCode != 255 || !strings.Contains(r.Stderr, "no terminal and no display") || !strings.Contains(r.Stderr, "opkssh login work") {
		t.Fatalf("expected a refusal with a hint, got %+v", r)
	}
	alice.wantLogins(t, 0)
}

// TestKeysAreRenewedInTime: the ID token lives for seconds, and the host goes by refreshed ones.
func TestKeysAreRenewedInTime(t *testing.T) {
	for _, kind := range []provider.Kind{provider.OIDCProvider, provider.Zitadel} {
		t.Run(string(kind), func(t *testing.T) {
			const life = 15 * time.Second
			p := provider.Start(t, kind, provider.WithIDTokenLifetime(life))
			h := endtoend.StartHost(t, p, "oidc_refreshed")
			h.Allow(t, p, "alice alice@example.com")
			alice := newTypist(t, h, p, "refresh: true", "scopes: openid email offline_access")
			wantOutput(t, h, alice.ssh(t), "alice\n")
			alice.wantLogins(t, 1)
			certificate := filepath.Join(alice.Home, ".ssh", "opkssh", "work-cert.pub")
			key, err := os.ReadFile(strings.TrimSuffix(certificate, "-cert.pub"))
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for end := time.Now().Add(2*life + life/2); time.Now().Before(end); time.Sleep(time.Second) {
				wantOutput(t, h, alice.ssh(t), "alice\n")
				data, err := os.ReadFile(certificate)
				if err != nil {
					t.Fatal(err)
				}
				seen[string(data)] = true
			}
			alice.wantLogins(t, 1)
			if len(seen) < 3 {
				t.Errorf("expected at least three certificates, got %d", len(seen))
			}
			if now, err := os.ReadFile(strings.TrimSuffix(certificate, "-cert.pub")); err != nil || !bytes.Equal(now, key) {
				t.Errorf("the key has changed: %v", err)
			}
		})
	}
}

// TestRefresh: what each provider makes of a refresh.
func TestRefresh(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			h := endtoend.StartHost(t, p, "oidc_refreshed")
			h.Allow(t, p, "alice alice@example.com")
			alice := endtoend.NewPerson(t, p, "alice")
			alice.Login(t, "--provider", alice.Describe()+",,openid email offline_access")
			before, err := os.ReadFile(alice.Certificate())
			if err != nil {
				t.Fatal(err)
			}
			output, code := alice.Run(t, "refresh")
			after, err := os.ReadFile(alice.Certificate())
			if err != nil {
				t.Fatal(err)
			}
			if kind.Refreshes() {
				if code != 0 || bytes.Equal(before, after) {
					t.Fatalf("expected a new certificate, got exit code %d\n%s", code, output)
				}
			} else if code != 1 || !strings.Contains(output, "gives no new ID token") || !bytes.Equal(before, after) {
				t.Fatalf("expected a message about the missing ID token, got exit code %d\n%s", code, output)
			}
			wantOutput(t, h, h.Client(t, alice.Key(), alice.Certificate()).SSH(t, "alice", "id -un"), "alice\n")
		})
	}
}
