package endtoend_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/loginform"
	"opkssh/integration/provider"
)

// TestLogin is the main job with each provider and each of its algorithms: log in, ssh, scp and sftp as somebody who may, and be
// refused as somebody who may not.
func TestLogin(t *testing.T) {
	for _, kind := range provider.Kinds {
		for _, alg := range kind.Algorithms() {
			t.Run(string(kind)+"/"+alg, func(t *testing.T) {
				p := provider.Start(t, kind, provider.WithAlgorithm(alg))
				h := endtoend.StartHost(t, p, "24h")
				h.Allow(t, p, "alice alice@example.com", "root oidc-match-end:email:@example.com", "deploy oidc:groups:ops")
				alice, bob := endtoend.NewPerson(t, p, "alice"), endtoend.NewPerson(t, p, "bob")
				output, page := alice.Login(t, "--provider", alice.Describe()+",,openid profile email groups")
				if !strings.Contains(output, "alice@example.com") {
					t.Errorf("opkssh login does not say who logged in:\n%s", output)
				}
				if page.Status != 200 || !strings.Contains(page.Body, "close") {
					t.Errorf("callback page: status %d\n%s", page.Status, page.Body)
				}
				bob.Login(t)

				ssh := h.Client(t, alice.Key(), alice.Certificate())
				wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
				wantOutput(t, h, ssh.SSH(t, "root", "id -un"), "root\n")
				wantOutput(t, h, ssh.SSH(t, "deploy", "id -un"), "deploy\n")
				wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "no-rule")
				wantRefused(t, h, h.Client(t, bob.Key(), bob.Certificate()).SSH(t, "deploy", "id -un"), "no-rule")

				// ssh says the same about a user that the host does not have; our program is not asked then.
				before := len(h.Records(t))
				if r := ssh.SSH(t, "nobody-of-that-name", "id -un"); r.ExitCode != 255 || r.Stdout != "" {
					t.Errorf("unknown user: %+v", r)
				}
				if after := len(h.Records(t)); after != before {
					t.Errorf("the verifier decided about an unknown user: %d records", after-before)
				}
			})
		}
	}
}

func TestCopyFiles(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	alice.Login(t, "--provider", alice.Describe(), "-t", "ed25519")
	key := filepath.Join(alice.Home, ".ssh", "id_ed25519")
	ssh := h.Client(t, key, key+"-cert.pub")

	local := filepath.Join(alice.Home, "letter")
	if err := os.WriteFile(local, []byte("dear bob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := ssh.SCP(t, local, "alice@host:letter"); r.ExitCode != 0 {
		t.Fatalf("scp: %+v", r)
	}
	if r := ssh.SFTP(t, "alice", "rename letter sent\nget sent "+local+".back\n"); r.ExitCode != 0 {
		t.Fatalf("sftp: %+v", r)
	}
	if back, err := os.ReadFile(local + ".back"); err != nil || string(back) != "dear bob\n" {
		t.Fatalf("got %q, %v", back, err)
	}
	wantOutput(t, h, ssh.SSH(t, "alice", "cat sent"), "dear bob\n")
}

func TestExpires(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	alice.Login(t)
	ssh := h.Client(t, alice.Key(), alice.Certificate())
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	h.Trust(t, p, "1s")
	endtoend.Eventually(t, "a refusal", func() bool { return ssh.SSH(t, "alice", "id -un").ExitCode == 255 })
	if got := h.LastRecord(t)["reason"]; got != "expired" {
		t.Errorf("reason: expected expired, got %v", got)
	}
}

// TestOtherKeysAreNoneOfOurBusiness: an ordinary key works beside ours, and costs no line in the log.
func TestOtherKeysAreNoneOfOurBusiness(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	key := filepath.Join(t.TempDir(), "id")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(h.Home("alice"), ".ssh")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "authorized_keys"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Chown(t, folder, "alice")
	h.Chown(t, filepath.Join(folder, "authorized_keys"), "alice")
	ssh := h.Client(t, key, "")
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	if r := ssh.SSH(t, "bob", "id -un"); r.ExitCode != 255 {
		t.Errorf("bob: %+v", r)
	}
	if records := h.Records(t); len(records) != 0 {
		t.Errorf("decisions about somebody's own key: %v", records)
	}
	if requests := p.Requests(); requests.Discovery+requests.JWKS != 0 {
		t.Errorf("requests to the provider: %+v", requests)
	}
}

func TestCachedKeysNeedNoNetwork(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	alice.Login(t)
	ssh := h.Client(t, alice.Key(), alice.Certificate())
	p.ResetRequests()
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	if r := p.Requests(); r.Discovery != 1 || r.JWKS != 1 {
		t.Errorf("first login: expected one request for discovery and one for keys, got %+v", r)
	}
	p.ResetRequests()
	for range 3 {
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	}
	if r := p.Requests(); len(r.Paths) != 0 {
		t.Errorf("later logins: expected no request, got %+v", r)
	}
}

func TestProviderDown(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			h := endtoend.StartHost(t, p, "24h")
			h.Config(t, "key_cache: {ttl: 5m, max_stale: 24h, timeout: 1s}\n")
			h.Allow(t, p, "alice alice@example.com")
			alice := endtoend.NewPerson(t, p, "alice")
			alice.Login(t)
			ssh := h.Client(t, alice.Key(), alice.Certificate())
			wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
			p.Stop(t)
			wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")

			// A host that has never seen the provider cannot know better.
			h.ForgetKeys(t)
			wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "keys-unavailable")
			p.Restart(t)
			wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
		})
	}
}

// TestKeyRotation: the provider signs with a new key while the host has the old ones cached.
func TestKeyRotation(t *testing.T) {
	for _, kind := range []provider.Kind{provider.OIDCProvider, provider.Zitadel} {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			h := endtoend.StartHost(t, p, "24h")
			h.Config(t, "key_cache: {min_refresh: 1s}\n")
			h.Allow(t, p, "alice alice@example.com", "bob bob@example.com")
			alice, bob := endtoend.NewPerson(t, p, "alice"), endtoend.NewPerson(t, p, "bob")
			alice.Login(t)
			wantOutput(t, h, h.Client(t, alice.Key(), alice.Certificate()).SSH(t, "alice", "id -un"), "alice\n")
			p.RotateKeys(t)
			bob.Login(t)
			ssh := h.Client(t, bob.Key(), bob.Certificate())
			endtoend.Eventually(t, "a login with the new key", func() bool { return ssh.SSH(t, "bob", "id -un").Stdout == "bob\n" })
		})
	}
}

func TestChromium(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	login := alice.StartLogin(t)
	page := loginform.Chromium(t, login.URL, alice.User.Name, alice.User.Password)
	if output, code := login.Wait(t); code != 0 {
		t.Fatalf("opkssh login: exit code %d\n%s", code, output)
	}
	if !strings.Contains(page.Body, "close") {
		t.Errorf("callback page:\n%s", page.Body)
	}
	wantOutput(t, h, h.Client(t, alice.Key(), alice.Certificate()).SSH(t, "alice", "id -un"), "alice\n")
}

func TestLoginEndsCleanly(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	tests := []struct {
		name string
		do   func(t *testing.T, alice *endtoend.Person, login *endtoend.RunningLogin)
		want string
	}{
		{"interrupt", func(t *testing.T, _ *endtoend.Person, login *endtoend.RunningLogin) { login.Interrupt(t) }, "interrupted"},
		{"refused", func(t *testing.T, alice *endtoend.Person, login *endtoend.RunningLogin) {
			if _, err := loginform.Refuse(context.Background(), p.HTTPClient(), login.URL); err != nil {
				t.Fatal(err)
			}
		}, "refused"},
		{"consent refused", func(t *testing.T, alice *endtoend.Person, login *endtoend.RunningLogin) {
			if _, err := loginform.RefuseConsent(context.Background(), p.HTTPClient(), login.URL, alice.User.Name, alice.User.Password); err != nil {
				t.Fatal(err)
			}
		}, "refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			alice := endtoend.NewPerson(t, p, "alice")
			login := alice.StartLogin(t)
			test.do(t, alice, login)
			output, code := login.Wait(t)
			if code != 1 || !strings.Contains(output, test.want) {
				t.Errorf("exit code %d, expected a message with %q:\n%s", code, test.want, output)
			}
			if _, err := os.Stat(alice.Key()); err == nil {
				t.Error("a key was written")
			}
		})
	}
}
