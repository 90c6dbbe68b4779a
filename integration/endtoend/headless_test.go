package endtoend_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/loginform"
	"opkssh/integration/provider"
)

// sshSession is what sshd tells the programs of a session.
var sshSession = []string{"SSH_CONNECTION=192.0.2.1 5000 192.0.2.2 22", "SSH_TTY=/dev/pts/9"}

// laptopLogin logs in on another computer, on which nothing answers at the redirect URI, and returns the address on which its
// browser ends.
func laptopLogin(t *testing.T, p *endtoend.Person, page string) string {
	t.Helper()
	redirect := ""
	if u, err := url.Parse(page); err == nil {
		redirect = u.Query().Get("redirect_uri")
	}
	client := p.Provider.HTTPClient()
	client.Transport = otherComputer{redirect, client.Transport}
	end, err := loginform.Login(context.Background(), client, page, p.User.Name, p.User.Password)
	if err != nil {
		t.Fatal(err)
	}
	return end.URL
}

// otherComputer has nothing at the redirect URI but its browser's own error page.
type otherComputer struct {
	redirect string
	next     http.RoundTripper
}

func (o otherComputer) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.String(), o.redirect) {
		return &http.Response{StatusCode: http.StatusBadGateway, Request: r, Body: http.NoBody, Header: http.Header{}}, nil
	}
	return o.next.RoundTrip(r)
}

// pageToOpen waits for the address that opkssh prints, to its end.
func pageToOpen(t *testing.T, login *endtoend.Terminal) string {
	t.Helper()
	return strings.TrimSpace(login.WaitFor(t, `https://\S+code_challenge=\S+\s`))
}

// TestPaste: somebody in an ssh session logs in with the browser of a laptop, at each provider.
func TestPaste(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			h := endtoend.StartHost(t, p, "24h")
			h.Allow(t, p, "alice alice@example.com")
			for name, carried := range map[string]func(address string) string{
				"address": func(address string) string { return address },
				"code": func(address string) string {
					_, rest, _ := strings.Cut(address, "code=")
					code, _, _ := strings.Cut(rest, "&")
					return code
				},
			} {
				t.Run(name, func(t *testing.T) {
					alice := endtoend.NewPerson(t, p, "alice")
					login := alice.StartAtTerminal(t, sshSession, "login", "--provider", alice.Describe())
					page := pageToOpen(t, login)
					login.WaitFor(t, `ssh -N -L [0-9]+:localhost:[0-9]+ USER@HOST`)
					login.WaitFor(t, `it is not shown\): $`)
					address := laptopLogin(t, alice, page)
					login.Type(t, carried(address)+"\r")
					shown, code := login.Wait(t)
					if code != 0 || !strings.Contains(shown, "logged in as alice@example.com") {
						t.Fatalf("exit code %d\n%s", code, shown)
					}
					if strings.Contains(strings.ReplaceAll(shown, page, ""), "code=") {
						t.Errorf("what was pasted is on the screen:\n%s", shown)
					}
					wantOutput(t, h, h.Client(t, alice.Key(), alice.Certificate()).SSH(t, "alice", "id -un"), "alice\n")
				})
			}
		})
	}
}

// TestPasteGivenUp: Ctrl-C while the terminal hands out single bytes, and an address of another login.
func TestPasteGivenUp(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	alice := endtoend.NewPerson(t, p, "alice")
	for name, c := range map[string]struct{ typed, want string }{
		"Ctrl-C":        {"http://localhost\x03", "interrupted: nothing was written"},
		"another login": {"http://localhost:3000/login-callback?code=a&state=b\r", "state: the answer in the browser belongs to another login"},
	} {
		t.Run(name, func(t *testing.T) {
			login := alice.StartAtTerminal(t, sshSession, "login", "--provider", alice.Describe())
			page := pageToOpen(t, login)
			login.WaitFor(t, `it is not shown\): $`)
			u, err := url.Parse(page)
			if err != nil {
				t.Fatal(err)
			}
			typed := strings.Replace(c.typed, "http://localhost:3000/login-callback", u.Query().Get("redirect_uri"), 1)
			login.Type(t, typed)
			shown, code := login.Wait(t)
			if code != 1 || !strings.Contains(shown, c.want) {
				t.Errorf("exit code %d, expected %q:\n%s", code, c.want, shown)
			}
			if _, err := os.Stat(alice.Key()); err == nil {
				t.Error("a key was written")
			}
		})
	}
}

// TestForwardedPort: the browser comes to the redirect URI through ssh -L, and nobody has to paste. With --disable-browser-open
// nobody is asked to.
func TestForwardedPort(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	for name, c := range map[string]struct {
		flags []string
		says  string
	}{
		"paste":                  {nil, "on any computer"},
		"--disable-browser-open": {[]string{"--disable-browser-open"}, "on this computer"},
	} {
		t.Run(name, func(t *testing.T) {
			alice := endtoend.NewPerson(t, p, "alice")
			login := alice.StartAtTerminal(t, sshSession, append([]string{"login", "--provider", alice.Describe()}, c.flags...)...)
			page := pageToOpen(t, login)
			if _, err := loginform.Login(context.Background(), p.HTTPClient(), page, alice.User.Name, alice.User.Password); err != nil {
				t.Fatal(err)
			}
			shown, code := login.Wait(t)
			if code != 0 || !strings.Contains(shown, "logged in as alice@example.com") {
				t.Errorf("exit code %d\n%s", code, shown)
			}
			if !strings.Contains(shown, c.says) || !strings.Contains(shown, "ssh -N -L") || strings.Contains(shown, "paste") != (c.flags == nil) {
				t.Errorf("got\n%s", shown)
			}
		})
	}
}

// TestDeviceNonceDropped: what a certified provider does in the device flow is found out once and remembered.
func TestDeviceNonceDropped(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	alice := endtoend.NewPerson(t, p, "alice")
	device := []string{"login", "--provider", alice.Describe(), "--flow", "device"}
	login := alice.StartAtTerminal(t, nil, device...)
	page := strings.TrimSpace(login.WaitFor(t, `\nhttps://\S+\s`))
	login.WaitFor(t, `waiting until`)
	if !strings.Contains(login.Shown(), "█") {
		t.Errorf("no QR code:\n%s", login.Shown())
	}
	if _, err := loginform.ApproveDevice(context.Background(), p.HTTPClient(), page, alice.User.Name, alice.User.Password); err != nil {
		t.Fatal(err)
	}
	shown, code := login.Wait(t)
	_, message, _ := strings.Cut(shown, "for you to do so\n")
	wantGolden(t, "device-nonce", message, code)

	p.ResetRequests()
	output, code := alice.Run(t, device...)
	wantGolden(t, "device-nonce-again", output, code)
	if got := p.Requests().Device; got != 0 {
		t.Errorf("the provider was asked for a code %d times", got)
	}
	if _, err := os.Stat(alice.Key()); err == nil {
		t.Error("a key was written")
	}
}

// TestNoDeviceFlow: providers without one, and with one that is not for this client, say so before anybody is asked anything.
func TestNoDeviceFlow(t *testing.T) {
	for kind, golden := range map[provider.Kind]string{provider.Glewlwyd: "no-device-flow", provider.Zitadel: "device-not-allowed"} {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			alice := endtoend.NewPerson(t, p, "alice")
			output, code := alice.Run(t, "login", "--provider", alice.Describe(), "--flow", "device")
			wantGolden(t, golden, output, code)
		})
	}
}

// TestKeyNotBound: providers pass over a scope that they do not know (OpenID Connect Core §3.1.2.1). oidc-provider checks the
// DPoP proof all the same.
func TestKeyNotBound(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	alice := endtoend.NewPerson(t, p, "alice")
	config := filepath.Join(alice.Home, "config.yml")
	text := "providers: [{alias: work, issuer: " + p.Issuer + ", client_id: " + p.ClientID + ", key_binding: true}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keyType := range []string{"ecdsa", "ed25519"} {
		t.Run(keyType, func(t *testing.T) {
			login := alice.StartLogin(t, "--config-path", config, "-t", keyType)
			if _, err := loginform.Login(context.Background(), p.HTTPClient(), login.URL, alice.User.Name, alice.User.Password); err != nil {
				t.Fatal(err)
			}
			output, code := login.Wait(t)
			_, message, _ := strings.Cut(output, login.URL+"\n")
			wantGolden(t, "key-not-bound", message, code)
		})
	}
}

// wantGolden compares what opkssh said, as it failed, with testdata/NAME.golden.
func wantGolden(t *testing.T, name, output string, exitCode int) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	if exitCode != 1 || output != string(want) {
		t.Errorf("expected exit code 1 and\n%sgot %d and\n%s", want, exitCode, output)
	}
}
