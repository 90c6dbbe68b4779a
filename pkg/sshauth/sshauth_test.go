package sshauth_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

const issuerURL = "https://op.example.com"

// host is a host that lets alice@example.com in as alice.
type host struct {
	issuer        *pktokentest.Issuer
	authenticator *sshauth.Authenticator
	source        *sshauth.StaticSource
}

func newHost(t *testing.T, rules string) *host {
	t.Helper()
	issuer := pktokentest.NewIssuer(t, issuerURL, "ES256")
	source := &sshauth.StaticSource{
		Providers: []pktoken.Provider{issuer.Provider()},
		Policy:    &policy.Policy{System: parseRules(t, rules)},
	}
	return &host{issuer, &sshauth.Authenticator{Source: source, Keys: pktokentest.KeySet(t, issuer)}, source}
}

const aliceRule = "alice alice@example.com " + issuerURL + "\n"

func parseRules(t *testing.T, text string) []policy.Rule {
	t.Helper()
	rules, problems := policy.ParseRules("auth_id", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return rules
}

func parseConfig(t *testing.T, text string) *policy.Config {
	t.Helper()
	config, err := policy.ParseConfig("config.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// alice's claims.
func claims() map[string]any {
	return map[string]any{"sub": "1", "email": "alice@example.com", "email_verified": true}
}

func signer(t *testing.T, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate(t *testing.T, key crypto.Signer, token *pktoken.Token, template sshcert.Template) *ssh.Certificate {
	t.Helper()
	cert, err := sshcert.New(rand.Reader, signer(t, key), token, template)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// login makes a key, and a certificate for the claims.
func (h *host) login(t *testing.T, claims map[string]any, template sshcert.Template) *ssh.Certificate {
	t.Helper()
	key := pktokentest.UserKey(t)
	return certificate(t, key, h.issuer.Token(t, key, claims), template)
}

func TestGrant(t *testing.T) {
	h := newHost(t, "# people\n"+strings.TrimSuffix(aliceRule, "\n")+" no-pty\n")
	cert := h.login(t, claims(), sshcert.Template{})
	grant, err := h.authenticator.Authorize(t.Context(), "alice", cert)
	if err != nil {
		t.Fatal(err)
	}
	if grant.User != "alice" || grant.Verified.Email() != "alice@example.com" || grant.Certificate.SSH() != cert {
		t.Errorf("expected alice's grant, got user %q, email %q", grant.User, grant.Verified.Email())
	}
	if rule := grant.Decision.Rule; rule.File != "auth_id" || rule.Line != 2 {
		t.Errorf("expected the rule at auth_id:2, got %s:%d", rule.File, rule.Line)
	}
	if len(grant.Warnings) != 0 {
		t.Errorf("expected no warnings, got %q", grant.Warnings)
	}
	line, err := grant.AuthorizedKeysLine()
	if err != nil {
		t.Fatal(err)
	}
	want := `cert-authority,principals="opkssh-wildcard",no-pty ` + strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(cert.SignatureKey)), "\n")
	if line != want {
		t.Errorf("expected %s\ngot %s", want, line)
	}
}

func TestWarningsOfAGrant(t *testing.T) {
	h := newHost(t, aliceRule)
	unverified := claims()
	unverified["email_verified"] = false
	grant, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, unverified, sshcert.Template{}))
	if err != nil || len(grant.Warnings) != 1 {
		t.Fatalf("expected a grant with one warning, got %+v, %v", grant, err)
	}
}

// known is how far a refused login was understood.
type known int

const (
	nothing known = iota
	parsed
	verified
)

func TestRefusals(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		user   string
		change func(t *testing.T, h *host)                  // of the host
		key    func(t *testing.T, h *host) *ssh.Certificate // nil: alice's
		reason string
		known  known
	}{
		"token that cannot be read": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				cert := h.login(t, claims(), sshcert.Template{})
				cert.Extensions[sshcert.ExtensionPKToken] = "not:a:token"
				return cert
			},
			reason: string(pktoken.ReasonMalformed),
		},
		"issuer that is not configured": {
			change: func(_ *testing.T, h *host) { h.source.Providers[0].Issuer = "https://other.example.com" },
			reason: string(pktoken.ReasonUnknownIssuer), known: parsed,
		},
		"no providers": {
			change: func(_ *testing.T, h *host) { h.source.Providers = nil },
			reason: string(pktoken.ReasonUnknownIssuer), known: parsed,
		},
		"client that is not configured": {
			change: func(_ *testing.T, h *host) { h.source.Providers[0].ClientID = "other-client" },
			reason: string(pktoken.ReasonAudience), known: parsed,
		},
		"keys that cannot be had": {
			change: func(_ *testing.T, h *host) { h.authenticator.Keys = failingKeys{} },
			reason: string(pktoken.ReasonKeysUnavailable), known: parsed,
		},
		"another key's ID token": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				key := pktokentest.UserKey(t)
				idToken, ok := h.issuer.Token(t, pktokentest.UserKey(t), claims()).IDToken()
				if !ok {
					t.Fatal("expected an ID token")
				}
				client, err := pktoken.NewClientInstance(rand.Reader, key, nil)
				if err != nil {
					t.Fatal(err)
				}
				token, err := client.Bind(idToken)
				if err != nil {
					t.Fatal(err)
				}
				return certificate(t, key, token, sshcert.Template{})
			},
			reason: string(pktoken.ReasonCommitment), known: parsed,
		},
		"expired ID token": {
			change: func(_ *testing.T, h *host) {
				h.authenticator.Now = func() time.Time { return now.Add(2 * time.Hour) }
			},
			reason: string(pktoken.ReasonExpired), known: parsed,
		},
		"another key's certificate": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				thief := signer(t, pktokentest.UserKey(t))
				cert := h.login(t, claims(), sshcert.Template{})
				cert.Key = thief.PublicKey()
				if err := cert.SignCert(rand.Reader, thief); err != nil {
					t.Fatal(err)
				}
				return cert
			},
			reason: string(sshcert.ReasonCertificateKey), known: verified,
		},
		"certificate for another user": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				return h.login(t, claims(), sshcert.Template{Principals: []string{"carol"}})
			},
			reason: string(sshcert.ReasonPrincipals), known: verified,
		},
		"expired certificate": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				return h.login(t, claims(), sshcert.Template{ValidBefore: now.Add(10 * time.Minute)})
			},
			change: func(_ *testing.T, h *host) {
				h.authenticator.Now = func() time.Time { return now.Add(20 * time.Minute) }
			},
			reason: string(sshcert.ReasonCertificateTime), known: verified,
		},
		"no rule for the person": {
			key: func(t *testing.T, h *host) *ssh.Certificate {
				return h.login(t, map[string]any{"sub": "2", "email": "bob@example.com"}, sshcert.Template{})
			},
			reason: string(policy.ReasonNoRule), known: verified,
		},
		"no rule for the user": {
			user:   "root",
			reason: string(policy.ReasonNoRule), known: verified,
		},
		"user on the deny list": {
			change: func(t *testing.T, h *host) { h.source.Policy.Config = parseConfig(t, "deny_users: [alice]") },
			reason: string(policy.ReasonDeniedUser), known: verified,
		},
		"rule whose time is over by the pipeline's clock": {
			change: func(t *testing.T, h *host) {
				h.source.Policy.System = parseRules(t, strings.TrimSuffix(aliceRule, "\n")+` expiry-time="`+
					now.Add(20*time.Minute).UTC().Format("20060102150405Z")+`"`)
				h.authenticator.Now = func() time.Time { return now.Add(30 * time.Minute) }
			},
			reason: string(policy.ReasonRuleExpired), known: verified,
		},
		"source that fails": {
			change: func(_ *testing.T, h *host) { h.authenticator.Source = failingSource{h.source} },
			reason: sshauth.ReasonConfiguration, known: parsed,
		},
		"source without an answer": {
			change: func(_ *testing.T, h *host) { h.authenticator.Source = (*sshauth.StaticSource)(nil) },
			reason: sshauth.ReasonConfiguration, known: parsed,
		},
		"no policy": {
			change: func(_ *testing.T, h *host) { h.source.Policy = nil },
			reason: sshauth.ReasonConfiguration, known: parsed,
		},
		"policy without rules": {
			change: func(_ *testing.T, h *host) { h.source.Policy = &policy.Policy{} },
			reason: string(policy.ReasonNoRule), known: verified,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, aliceRule)
			if test.change != nil {
				test.change(t, h)
			}
			if test.key == nil {
				test.key = func(t *testing.T, h *host) *ssh.Certificate { return h.login(t, claims(), sshcert.Template{}) }
			}
			if test.user == "" {
				test.user = "alice"
			}
			cert := test.key(t, h)
			grant, err := h.authenticator.Authorize(t.Context(), test.user, cert)
			var refusal *sshauth.Refusal
			if grant != nil || !errors.As(err, &refusal) {
				t.Fatalf("expected a refusal, got %v, %v", grant, err)
			}
			if refusal.Reason() != test.reason {
				t.Errorf("expected %s, got %s (%v)", test.reason, refusal.Reason(), err)
			}
			if refusal.Certificate.SSH() != cert || (refusal.Token != nil) != (test.known >= parsed) || (refusal.Verified != nil) != (test.known >= verified) {
				t.Errorf("expected what was known by then, got token %v, verified %v", refusal.Token, refusal.Verified)
			}
		})
	}
}

func TestFingerprintsReachThePolicy(t *testing.T) {
	h := newHost(t, aliceRule)
	cert := h.login(t, claims(), sshcert.Template{})
	for _, fingerprint := range []string{ssh.FingerprintSHA256(cert.Key), ssh.FingerprintSHA256(cert)} {
		h.source.Policy.Config = parseConfig(t, "deny: [{key: \""+fingerprint+"\"}]")
		_, err := h.authenticator.Authorize(t.Context(), "alice", cert)
		var refusal *sshauth.Refusal
		if !errors.As(err, &refusal) || refusal.Reason() != string(policy.ReasonDeniedKey) {
			t.Errorf("expected %s, got %v", policy.ReasonDeniedKey, err)
		}
	}
}

type failingKeys struct{}

func (failingKeys) Keys(context.Context, string, func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	return nil, errors.New("unreachable")
}

// failingSource has a configuration, and an error beside it.
type failingSource struct{ sshauth.Source }

func (s failingSource) Configuration(ctx context.Context, user string) (*sshauth.Configuration, error) {
	c, err := s.Source.Configuration(ctx, user)
	return c, errors.Join(err, errors.New("unreadable"))
}

// untouched fails the test whenever it is asked.
type untouched struct{ t *testing.T }

func (u untouched) Configuration(context.Context, string) (*sshauth.Configuration, error) {
	u.t.Error("expected nobody to ask for the configuration")
	return nil, errors.New("not for this key")
}

func (u untouched) Keys(context.Context, string, func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	u.t.Error("expected nobody to ask for provider keys")
	return nil, errors.New("not for this key")
}

func (u untouched) Userinfo(context.Context, string, string, string) (map[string]any, error) {
	u.t.Error("expected nobody to ask for userinfo")
	return nil, errors.New("not for this key")
}

func TestOtherPeoplesKeys(t *testing.T) {
	other := newHost(t, aliceRule).login(t, claims(), sshcert.Template{AccessToken: "access"})
	delete(other.Extensions, sshcert.ExtensionPKToken)
	a := &sshauth.Authenticator{Source: untouched{t}, Keys: untouched{t}, Userinfo: untouched{t}}
	for name, key := range map[string]ssh.PublicKey{
		"plain key":                    signer(t, pktokentest.UserKey(t)).PublicKey(),
		"certificate without PK token": other,
	} {
		if grant, err := a.Authorize(t.Context(), "alice", key); grant != nil || !errors.Is(err, sshcert.ErrNotOurs) {
			t.Errorf("%s: expected ErrNotOurs, got %v, %v", name, grant, err)
		}
	}
}

func TestUnknownIssuerAsksNobody(t *testing.T) {
	h := newHost(t, aliceRule)
	h.source.Providers = nil
	h.authenticator.Keys, h.authenticator.Userinfo = untouched{t}, untouched{t}
	_, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, claims(), sshcert.Template{AccessToken: "access"}))
	var refusal *sshauth.Refusal
	if !errors.As(err, &refusal) || refusal.Reason() != string(pktoken.ReasonUnknownIssuer) {
		t.Errorf("expected %s, got %v", pktoken.ReasonUnknownIssuer, err)
	}
}

// userinfo answers for one access token.
type userinfo struct {
	claims map[string]any
	err    error
	asked  [][3]string
}

func (u *userinfo) Userinfo(_ context.Context, issuer, accessToken, subject string) (map[string]any, error) {
	u.asked = append(u.asked, [3]string{issuer, accessToken, subject})
	return u.claims, u.err
}

func TestUserinfo(t *testing.T) {
	ops := []any{"ops"}
	for name, test := range map[string]struct {
		answer      *userinfo
		accessToken string
		granted     bool
		warnings    int
		asked       int
	}{
		"adds the group":     {answer: &userinfo{claims: map[string]any{"sub": "1", "groups": ops}}, accessToken: "access", granted: true, asked: 1},
		"has another group":  {answer: &userinfo{claims: map[string]any{"sub": "1", "groups": []any{"web"}}}, accessToken: "access", asked: 1},
		"fails":              {answer: &userinfo{claims: map[string]any{"sub": "1", "groups": ops}, err: errors.New("busy")}, accessToken: "access", asked: 1, warnings: 1},
		"of another person":  {answer: &userinfo{claims: map[string]any{"sub": "2", "groups": ops}}, accessToken: "access", asked: 1, warnings: 1},
		"of nobody":          {answer: &userinfo{claims: map[string]any{"groups": ops}}, accessToken: "access", asked: 1, warnings: 1},
		"no access token":    {answer: &userinfo{claims: map[string]any{"sub": "1", "groups": ops}}},
		"nobody to be asked": {accessToken: "access"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "alice oidc:groups:ops "+issuerURL)
			if test.answer != nil {
				h.authenticator.Userinfo = test.answer
			}
			grant, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, claims(), sshcert.Template{AccessToken: test.accessToken}))
			var warnings []string
			var refusal *sshauth.Refusal
			switch {
			case (err == nil) != test.granted:
				t.Fatalf("expected granted %t, got %v", test.granted, err)
			case err == nil:
				warnings = grant.Warnings
			case errors.As(err, &refusal) && refusal.Reason() == string(policy.ReasonNoRule):
				warnings = refusal.Warnings
			default:
				t.Fatalf("expected %s, got %v", policy.ReasonNoRule, err)
			}
			if len(warnings) != test.warnings {
				t.Errorf("expected %d warnings, got %q", test.warnings, warnings)
			}
			if test.answer == nil {
				return
			}
			want := [3]string{issuerURL, "access", "1"}
			if len(test.answer.asked) != test.asked || test.asked == 1 && test.answer.asked[0] != want {
				t.Errorf("expected %d requests for %q, got %q", test.asked, want, test.answer.asked)
			}
		})
	}
}

func TestUserinfoThatFailsTakesNothingAway(t *testing.T) {
	h := newHost(t, aliceRule)
	h.authenticator.Userinfo = &userinfo{err: errors.New("busy")}
	grant, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, claims(), sshcert.Template{AccessToken: "access"}))
	if err != nil || len(grant.Warnings) != 1 {
		t.Errorf("expected a grant with one warning, got %+v, %v", grant, err)
	}
}

func TestUserinfoIsNotAskedForRefusedCertificates(t *testing.T) {
	h := newHost(t, aliceRule)
	h.authenticator.Userinfo = untouched{t}
	cert := h.login(t, claims(), sshcert.Template{AccessToken: "access", Principals: []string{"carol"}})
	if _, err := h.authenticator.Authorize(t.Context(), "alice", cert); err == nil {
		t.Error("expected a refusal")
	}
}
