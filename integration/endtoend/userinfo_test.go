package endtoend_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/provider"
	"opkssh/pkg/sshcert"
)

// TestUserinfo: groups that only the userinfo endpoint knows let people in, for one request a login.
func TestUserinfo(t *testing.T) {
	op := issuer.Start(t)
	op.Claims = map[string]map[string]any{
		"token-of-alice":    {"sub": "user-1", "groups": []string{"ops"}},
		"token-of-bob":      {"sub": "user-2", "groups": []string{"ops"}},
		"token-of-denied":   {"sub": "user-1", "groups": []string{"ops", "contractors"}},
		"token-of-no-group": {"sub": "user-1", "groups": []string{"dev"}},
	}
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "deploy oidc:groups:ops "+op.URL+"\n")
	h.Config(t, "deny: [{claim: \"groups:contractors\"}]\n")
	login := func(accessToken string) *issuer.Identity {
		id := op.Login(t, map[string]any{"email": "alice@example.com"})
		if accessToken != "" {
			id.Certificate.Extensions[sshcert.ExtensionAccessToken] = accessToken
		}
		id.Write(t)
		return id
	}
	for _, test := range []struct {
		name, token, reason string
		requests            int64
	}{
		{"group from userinfo", "token-of-alice", "", 1},
		{"no access token", "", "no-rule", 0},
		{"another person's access token", "token-of-bob", "no-rule", 1},
		{"refused access token", "unknown-token", "no-rule", 1},
		{"another group", "token-of-no-group", "no-rule", 1},
		{"a group that is denied", "token-of-denied", "denied-claim", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := login(test.token)
			before := op.Userinfo.Load()
			r := h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "deploy", "id -un")
			if test.reason == "" {
				wantOutput(t, h, r, "deploy\n")
			} else {
				wantRefused(t, h, r, test.reason)
			}
			if n := op.Userinfo.Load() - before; n != test.requests {
				t.Errorf("requests: expected %d, got %d", test.requests, n)
			}
		})
	}
	// The token is in no file of the host but sshd's own debug log, which shows the command line.
	for _, dir := range []string{h.CacheDir, h.LogDir, h.ConfigDir} {
		out, _ := exec.Command("grep", "-rl", "token-of-", dir).Output()
		if len(out) != 0 {
			t.Errorf("the access token is in %s", out)
		}
	}
}

// TestSendAccessToken: opkssh puts a real provider's access token into the certificate only when it is told to, and with it the
// host asks the real userinfo endpoint.
func TestSendAccessToken(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	for _, test := range []struct {
		flags    []string
		requests int
	}{{nil, 0}, {[]string{"--send-access-token"}, 1}} {
		alice := endtoend.NewPerson(t, p, "alice")
		p.ResetRequests()
		output, _ := alice.Login(t, append([]string{"--provider", alice.Describe()}, test.flags...)...)
		if warned := strings.Contains(output, "warning"); warned != (test.requests > 0) {
			t.Errorf("%v: a warning: %v\n%s", test.flags, warned, output)
		}
		ssh := h.Client(t, alice.Key(), alice.Certificate())
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
		if got := p.Requests().Userinfo; got != test.requests {
			t.Errorf("%v: requests to userinfo: expected %d, got %d", test.flags, test.requests, got)
		}
	}
	files, err := filepath.Glob(filepath.Join(h.CacheDir, "userinfo-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("expected the answer in the cache: %v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}
