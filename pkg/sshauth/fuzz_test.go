package sshauth_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/allocation"
	"opkssh/integration/authorizedkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// FuzzAuthorize: for any rules, user, person and principals, a login ends in a refusal with a reason, or in a line that says to
// sshd what a rule of this file means and nothing else.
func FuzzAuthorize(f *testing.F) {
	const row = "alice alice@example.com " + issuerURL
	for _, options := range []string{
		"", ` command="echo \"a, b\" 'c\d'",no-pty`, ` from="10.0.0.0/8,!10.1.0.0/16",restrict,X11-forwarding`, ` permitopen="[::1]:22",permitlisten="80"`,
		` expiry-time="20991231"`, ` command="a" ssh-ed25519 AAAA`, ` principals="root"`, ` permitopen="` + strings.Repeat("a", 1100) + `:22"`,
	} {
		f.Add([]byte(row+options), "alice", "alice@example.com", "opkssh-wildcard")
	}
	f.Add([]byte(`'EXAMPLE\alice' oidc:sub:1 `+issuerURL), `EXAMPLE\alice`, "", "")
	f.Add([]byte(row), "alice", "ALICE@example.com", "alice,root")
	f.Add([]byte(row), "alice", "alice@example.com", `alice",command="id`)
	f.Add([]byte(row), "alice", "alice@example.com", "alice\nroot")

	op := pktokentest.NewIssuer(f, issuerURL, "EdDSA")
	keys := pktokentest.KeySet(f, op)
	key := pktokentest.UserKey(f)
	sign, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, user, email, principals string) {
		token := op.Token(t, key, map[string]any{"sub": "1", "email": email, "email_verified": true})
		cert, err := sshcert.New(rand.Reader, sign, token, sshcert.Template{})
		if err != nil {
			t.Fatal(err)
		}
		// Those that sshcert.New does not write, too.
		cert.ValidPrincipals = strings.Split(principals, ",")
		if err := cert.SignCert(rand.Reader, sign); err != nil {
			t.Fatal(err)
		}
		wire := cert.Marshal()
		allocation.Check(t, len(wire)+len(data), func() {
			rules, _ := policy.ParseRulesFor("auth_id", data, user)
			authenticator := &sshauth.Authenticator{
				Source: &sshauth.StaticSource{Providers: []pktoken.Provider{op.Provider()}, Policy: &policy.Policy{System: rules}}, Keys: keys,
			}
			offered, err := ssh.ParsePublicKey(wire)
			if err != nil {
				t.Fatal(err)
			}
			grant, err := authenticator.Authorize(t.Context(), user, offered)
			if err == nil {
				checkGrant(t, grant, cert, user, rules)
			} else if refusal := (*sshauth.Refusal)(nil); grant != nil || !errors.As(err, &refusal) || refusal.Reason() == sshauth.ReasonConfiguration {
				t.Errorf("expected a refusal with a reason, got %v, %v", grant, err)
			}
		})
	})
}

func checkGrant(t *testing.T, grant *sshauth.Grant, cert *ssh.Certificate, user string, rules []policy.Rule) {
	t.Helper()
	decided := grant.Decision.Rule
	if !slices.ContainsFunc(rules, func(r policy.Rule) bool { return r.Line == decided.Line && r.Same(decided) }) || decided.Principal != user {
		t.Fatalf("the rule %v, which is not among those for %q: %v", decided, user, rules)
	}
	text, err := grant.AuthorizedKeysLine()
	if err != nil {
		t.Fatalf("a grant without a line: %v", err)
	}
	line, err := authorizedkeys.Parse(text)
	if err != nil {
		t.Fatalf("sshd passes over %q: %v", text, err)
	}
	want := []authorizedkeys.Option{
		{Name: "cert-authority"}, {Name: "principals", Value: strings.Join(cert.ValidPrincipals, ","), HasValue: true},
	}
	for _, o := range decided.Options {
		if o.Name == "expiry-time" {
			continue // the policy has looked at it
		}
		want = append(want, authorizedkeys.Option{Name: strings.ToLower(o.Name), Value: o.Value, HasValue: o.HasValue})
	}
	if !slices.Equal(line.Options, want) || string(line.Key) != string(cert.SignatureKey.Marshal()) || line.Comment != "" {
		t.Errorf("expected %v and the key, got %q", want, text)
	}
}
