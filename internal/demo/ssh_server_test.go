package demo

import (
	"crypto"
	"crypto/rand"
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// newSSHServer lets alice in as alice.
func newSSHServer(t *testing.T) (*sshServer, *pktokentest.Issuer) {
	t.Helper()
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	source, err := readPolicy(issuer.URL+" "+pktokentest.ClientID+" 24h", "alice alice@example.com "+issuer.URL)
	if err != nil {
		t.Fatal(err)
	}
	s, err := startSSHServer(&sshauth.Authenticator{Source: source, Keys: pktokentest.KeySet(t, issuer)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, issuer
}

func keyOf(t *testing.T, issuer *pktokentest.Issuer, email string) ssh.Signer {
	t.Helper()
	key := pktokentest.UserKey(t)
	plain := plainKey(t, key)
	cert, err := sshcert.New(rand.Reader, plain, issuer.Token(t, key, map[string]any{"email": email}), sshcert.Template{})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, plain)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func plainKey(t *testing.T, key crypto.Signer) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func dial(s *sshServer, user string, methods ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", s.Address, &ssh.ClientConfig{User: user, Auth: methods, HostKeyCallback: ssh.FixedHostKey(s.HostKey)})
}

func TestServerKnowsOneCommand(t *testing.T) {
	s, issuer := newSSHServer(t)
	client, err := dial(s, "alice", ssh.PublicKeys(keyOf(t, issuer, "alice@example.com")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for command, want := range map[string]int{command: 0, "": 127, "date": 127, command + " x": 127} {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		output, err := session.Output(command)
		var exit *ssh.ExitError
		switch {
		case want == 0 && err == nil:
			if got := identity("alice@example.com", issuer.URL, "auth_id:1", "alice"); got != string(output) {
				t.Errorf("expected %q, got %q", got, output)
			}
		case want == 0 || !errors.As(err, &exit) || exit.ExitStatus() != want || len(output) > 0:
			t.Errorf("%q: expected exit status %d and no output, got %v, %q", command, want, err, output)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	s, issuer := newSSHServer(t)
	for name, test := range map[string]struct {
		user    string
		methods []ssh.AuthMethod
		reason  string
	}{
		"bob":               {"alice", []ssh.AuthMethod{ssh.PublicKeys(keyOf(t, issuer, "bob@example.com"))}, string(policy.ReasonNoRule)},
		"alice as root":     {"root", []ssh.AuthMethod{ssh.PublicKeys(keyOf(t, issuer, "alice@example.com"))}, string(policy.ReasonNoRule)},
		"plain key":         {"alice", []ssh.AuthMethod{ssh.PublicKeys(plainKey(t, pktokentest.UserKey(t)))}, ""},
		"no authentication": {"alice", nil, ""},
		"password":          {"alice", []ssh.AuthMethod{ssh.Password("wonderland")}, ""},
	} {
		s.takeDecisions()
		client, err := dial(s, test.user, test.methods...)
		if err == nil {
			t.Errorf("%s: expected no login", name)
			_ = client.Close()
		}
		decisions := s.takeDecisions()
		reason := ""
		if len(decisions) > 0 {
			var refusal *sshauth.Refusal
			if errors.As(decisions[0].err, &refusal) {
				reason = refusal.Reason()
			}
		}
		if reason != test.reason {
			t.Errorf("%s: expected reason %q, got %q", name, test.reason, reason)
		}
	}
}
