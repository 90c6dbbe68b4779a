package load_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/freeport"
	"opkssh/integration/loginform"
	"opkssh/integration/process"
	"opkssh/integration/provider"
	"opkssh/internal/userkeys"
)

// logins is how many windows one person has open.
const logins = 10

// desk is a person with many accounts of theirs at one provider, each with an alias and redirect URIs of its own in config.yml.
type desk struct {
	*endtoend.Person
	users []provider.User
}

// newDesk takes the redirect URIs' ports from portsOf, by alias.
func newDesk(t *testing.T, portsOf func(i int) []int) *desk {
	t.Helper()
	var users []provider.User
	var options []provider.Option
	for i := range logins {
		name := fmt.Sprintf("alice%d", i)
		users = append(users, provider.User{
			Name: name, Email: name + "@example.com", EmailVerified: true, Subject: name, Password: name + "-password",
		})
		options = append(options, provider.WithUser(users[i]))
	}
	p := provider.Start(t, provider.Zitadel, options...)
	d := &desk{endtoend.NewPerson(t, p, "alice"), users}
	text := "providers:\n"
	for i := range logins {
		text += fmt.Sprintf("  - {alias: a%d, issuer: %q, client_id: %s, redirect_uris: [", i, p.Issuer, p.ClientID)
		for _, port := range portsOf(i) {
			text += fmt.Sprintf("%q, ", fmt.Sprintf("http://localhost:%d/login-callback", port))
		}
		text += "]}\n"
	}
	d.write(t, ".opk/config.yml", text)
	check(t, os.Mkdir(d.sshFolder(), 0o700))
	return d
}

func (d *desk) sshFolder() string { return filepath.Join(d.Home, ".ssh") }

func (d *desk) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(d.Home, name)
	check(t, os.MkdirAll(filepath.Dir(file), 0o700))
	check(t, os.WriteFile(file, []byte(text), 0o600))
}

// window is an `opkssh login` that runs, or has ended with the line "exit code N".
type window struct{ *process.Process }

// open starts all logins at once.
func (d *desk) open(t *testing.T) []window {
	t.Helper()
	var windows []window
	for i := range logins {
		cmd := exec.Command("sh", "-c", `"$0" "$@"; echo "exit code $?"`,
			endtoend.Opkssh(t), "login", "--disable-browser-open", fmt.Sprintf("a%d", i))
		cmd.Env = d.Environment()
		windows = append(windows, window{process.Start(t, cmd)})
	}
	return windows
}

var authorizationURL = regexp.MustCompile(`https://\S+code_challenge=\S+\n`)

// page is the address to open, "" before it is shown.
func (w window) page() string { return strings.TrimSpace(authorizationURL.FindString(w.Log())) }

func (w window) ended() bool { return strings.Contains(w.Log(), "exit code ") }

// finish logs in in each window as the user that goes with it, all at once, and waits for their ends.
func (d *desk) finish(t *testing.T, windows []window, users []provider.User) {
	t.Helper()
	var wait sync.WaitGroup
	failed := make([]error, len(windows))
	for i, w := range windows {
		wait.Go(func() {
			_, failed[i] = loginform.Login(context.Background(), d.Provider.HTTPClient(), w.page(), users[i].Name, users[i].Password)
		})
	}
	wait.Wait()
	for i, w := range windows {
		check(t, failed[i])
		w.WaitLog(t, "exit code 0")
	}
}

// same is one user in every window.
func (d *desk) same() []provider.User { return slices.Repeat([]provider.User{d.User}, logins) }

var wrote = regexp.MustCompile(`wrote (\S+) and (\S+)`)

// files are the pair that a login said it wrote.
func (w window) files(t *testing.T) userkeys.Pair {
	t.Helper()
	found := wrote.FindStringSubmatch(w.Log())
	if found == nil {
		t.Fatalf("expected the key's files, got\n%s", w.Log())
	}
	return userkeys.Pair{Key: found[1], Certificate: found[2]}
}

// wantSound: the files of a key are there, and belong together.
func wantSound(t *testing.T, pair userkeys.Pair) userkeys.Identity {
	t.Helper()
	id, found := userkeys.Read(pair)
	if !found || id.Problem != "" || !id.HasKeyFile {
		t.Fatalf("%s: expected a key with its certificate, got %v %q", pair.Key, found, id.Problem)
	}
	return id
}

// wantFiles are all that is in the person's ~/.ssh.
func (d *desk) wantFiles(t *testing.T, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(d.sshFolder())
	check(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("~/.ssh: expected %q, got %q", want, names)
	}
}

func onePort(t *testing.T) func(int) []int {
	return func(int) []int { return []int{freeport.Find(t)} }
}

// TestLoginsAtOnce: ten logins of one person, with one account, end at once. All succeed, the key of one of them is what ssh
// finds, and the key that the person made is what it was.
func TestLoginsAtOnce(t *testing.T) {
	d := newDesk(t, onePort(t))
	h := endtoend.StartHost(t, d.Provider, "24h")
	h.Allow(t, d.Provider, "alice alice@example.com")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", filepath.Join(d.sshFolder(), "id_ecdsa")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	own, err := os.ReadFile(filepath.Join(d.sshFolder(), "id_ecdsa"))
	check(t, err)

	windows := d.open(t)
	waitForPages(t, windows, logins)
	d.finish(t, windows, d.same())

	pair := userkeys.At(filepath.Join(d.sshFolder(), "id_ecdsa_sk"))
	for _, w := range windows {
		if got := w.files(t); got != pair {
			t.Errorf("expected the key in %s, got %s", pair.Key, got.Key)
		}
	}
	wantSound(t, pair)
	wantIn(t, h, h.Client(t, pair.Key, pair.Certificate))
	d.wantFiles(t, "id_ecdsa", "id_ecdsa.pub", "id_ecdsa_sk", "id_ecdsa_sk-cert.pub")
	if now, err := os.ReadFile(filepath.Join(d.sshFolder(), "id_ecdsa")); err != nil || !bytes.Equal(now, own) {
		t.Errorf("the person's own key was changed: %v", err)
	}
}

// TestAccountsAtOnce: ten accounts of one person, new to ~/.ssh/opkssh, log in at once. Each has its key, where its login said.
func TestAccountsAtOnce(t *testing.T) {
	d := newDesk(t, onePort(t))
	h := endtoend.StartHost(t, d.Provider, "24h")
	h.Allow(t, d.Provider, "alice oidc-match-end:email:@example.com")
	if output, code := d.Run(t, "login", "--configure"); code != 0 {
		t.Fatalf("login --configure: exit code %d\n%s", code, output)
	}
	windows := d.open(t)
	waitForPages(t, windows, logins)
	d.finish(t, windows, d.users)

	config, err := os.ReadFile(filepath.Join(d.sshFolder(), userkeys.Folder, "config"))
	check(t, err)
	for i, w := range windows {
		pair := w.files(t)
		if id := wantSound(t, pair); id.Email != d.users[i].Email {
			t.Errorf("%s: expected the key of %s, got that of %s", pair.Key, d.users[i].Email, id.Email)
		}
		if line := "IdentityFile ~/.ssh/opkssh/" + filepath.Base(pair.Key) + "\n"; !strings.Contains(string(config), line) {
			t.Errorf("ssh is not told of the key of %s: no %q in\n%s", d.users[i].Email, line, config)
		}
		wantIn(t, h, h.Client(t, pair.Key, pair.Certificate))
	}
	if left, err := filepath.Glob(filepath.Join(d.sshFolder(), userkeys.Folder, "*.opkssh-new")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestLoginsForThreePorts: a provider that knows three redirect URIs leaves room for three logins at once. The others say so, before
// anybody has typed a password, and touch nothing.
func TestLoginsForThreePorts(t *testing.T) {
	var ports []int
	for range 3 {
		ports = append(ports, freeport.Find(t))
	}
	d := newDesk(t, func(int) []int { return ports })
	windows := d.open(t)
	waitForPages(t, windows, len(ports))
	endtoend.Eventually(t, "the ends of the logins without a port", func() bool {
		ended := 0
		for _, w := range windows {
			if w.ended() {
				ended++
			}
		}
		return ended == logins-len(ports)
	})
	var waiting []window
	for _, w := range windows {
		if !w.ended() {
			waiting = append(waiting, w)
			continue
		}
		for _, want := range []string{"port-busy", "hint: ", "exit code 1", fmt.Sprintf("localhost:%d", ports[2])} {
			if !strings.Contains(w.Log(), want) {
				t.Errorf("expected %q in\n%s", want, w.Log())
			}
		}
	}
	d.wantFiles(t)
	d.finish(t, waiting, d.same())
	wantSound(t, waiting[0].files(t))
	d.wantFiles(t, "id_ecdsa", "id_ecdsa-cert.pub")
}

// waitForPages waits until n logins have shown the page to open.
func waitForPages(t *testing.T, windows []window, n int) {
	t.Helper()
	endtoend.Eventually(t, fmt.Sprintf("%d pages to open", n), func() bool {
		shown := 0
		for _, w := range windows {
			if w.page() != "" {
				shown++
			}
		}
		return shown == n
	})
}
