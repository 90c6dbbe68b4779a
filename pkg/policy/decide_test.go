package policy_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// rulesOf parses rows that must all be good.
func rulesOf(t testing.TB, rows ...string) []policy.Rule {
	t.Helper()
	rules, problems := policy.ParseRules("auth_id", []byte(strings.Join(rows, "\n")))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	return rules
}

func configOf(t testing.TB, data string) *policy.Config {
	t.Helper()
	c, err := policy.ParseConfig("config.yml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reasonOf(t testing.TB, d *policy.Decision, err error) policy.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var denied *policy.Denied
	if !errors.As(err, &denied) || d != nil {
		t.Fatalf("expected a Denied and no decision, got %+v, %v", d, err)
	}
	return denied.Reason
}

// claims are those of alice with changes; nil leaves one out.
func claims(changes ...any) map[string]any {
	c := map[string]any{"sub": "1234", "email": "alice@example.com", "email_verified": true}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i].(string)] = changes[i+1]
	}
	return c
}

func TestIdentityMatches(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	uri := "https://acme.com/groups"
	for _, test := range []struct {
		identity string
		claims   map[string]any
		want     bool
	}{
		{"alice@example.com", claims(), true},
		{"ALICE@Example.COM", claims(), true},
		{"alice@example.com", claims("email", "ALICE@EXAMPLE.COM"), true},
		{"azAZ@example.com", claims("email", "AZaz@example.com"), true},
		{"a[@example.com", claims("email", "a{@example.com"), false}, // they differ as a letter from its capital
		{"a@@example.com", claims("email", "a`@example.com"), false},
		{"alice@example.com", claims("email", "alice@example.co"), false},
		{"alice@example.com", claims("email", "alice@example.comm"), false},
		{"alice@example.com", claims("email", nil), false},
		{"alice@example.com", claims("email", nil, "sub", "alice@example.com"), false},
		{"alice@example.com", claims("email", []string{"alice@example.com"}), false},
		{"mark@example.com", claims("email", "mar\u212a@example.com"), false}, // KELVIN SIGN
		{"sam@example.com", claims("email", "\u017fam@example.com"), false},   // LONG S
		{"1234", claims(), true},
		{"123", claims(), false},
		{"1234", claims("sub", nil), false},
		{"abcd", claims("sub", "ABCD"), false},
		{"oidc:groups:dev", claims("groups", "dev"), true},
		{"oidc:groups:dev", claims("groups", []string{"x", "dev"}), true},
		{"oidc:groups:dev", claims("groups", []string{"develop"}), false},
		{"oidc:groups:dev", claims("groups", "x,dev"), false},
		{"oidc:groups:dev", claims("groups", "DEV"), false},
		{"oidc:groups:dev", claims("Groups", "dev"), false},
		{"oidc:groups:dev", claims("groups", []any{[]string{"dev"}}), false},
		{"oidc:groups:dev", claims("groups", map[string]any{"dev": true}), false},
		{"oidc:groups:a:b", claims("groups", []string{"a:b"}), true},
		{"oidc:n:42", claims("n", json.Number("42")), true},
		{"oidc:n:42", claims("n", json.Number("42.0")), false},
		{"oidc:b:true", claims("b", true), true},
		{"oidc:b:null", claims("b", json.RawMessage("null")), false},
		{"oidc:email:alice@example.com", claims(), true},
		{"oidc:email:Alice@example.com", claims(), false},
		{`oidc:"` + uri + `":x`, claims(uri, []string{"x"}), true},
		{`oidc:\"` + uri + `\":x`, claims(uri, "x"), true},
		{"oidc-match-end:email:@example.com", claims(), true},
		{"oidc-match-end:email:@EXAMPLE.com", claims(), true},
		{"oidc-match-end:email:@example.com", claims("email", "alice@evil-example.com"), false},
		{"oidc-match-end:email:@example.com", claims("email", "alice@example.com.evil.org"), false},
		{"oidc-match-end:email:@example.com", claims("email", "@example.com"), false},
		{"oidc-match-end:email:@example.com", claims("email", nil), false},
		{"oidc-match-end:email:.example.com", claims("email", "alice@mail.example.com"), true},
		{"oidc-match-end:email:.example.com", claims(), false},
		{"oidc-match-end:email:@k.example", claims("email", "a@\u212a.example"), false},
	} {
		v := issuer.Verified(t, user, test.claims)
		p := policy.Policy{System: rulesOf(t, "root "+test.identity+" "+op)}
		if _, err := p.Decide(v, policy.Request{User: "root"}); (err == nil) != test.want {
			t.Errorf("%s against %v: expected %v, got %v", test.identity, test.claims, test.want, err)
		}
	}
}

// job is a verified token of a CI job, with the commitment in `aud`.
func job(t *testing.T, issuer *pktokentest.Issuer, sub string) *pktoken.Verified {
	t.Helper()
	client, err := pktoken.NewClientInstance(rand.Reader, pktokentest.UserKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := pktokentest.KeySet(t, issuer)
	token, err := client.BindGQ([]byte(issuer.IDToken(t, map[string]any{"aud": client.Commitment(), "sub": sub})), keys[issuer.URL], pktoken.CommitmentAudience)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := policy.ParseProviders("providers", []byte(issuer.URL+" any oidc commitment=aud"))
	v, err := (&pktoken.Verifier{Providers: rows, Keys: keys}).Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRepo(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, github, "RS256")
	main := job(t, issuer, "repo:acme/app:ref:refs/heads/main")
	for pattern, want := range map[string]bool{
		"repo:acme/app:ref:refs/heads/main": true,
		"repo:acme/app:ref:refs/heads/*":    true,
		"repo:acme/app:ref:refs/heads/m?in": true,
		"repo:acme/*:ref:refs/heads/main":   true,
		"repo:acme/*":                       false, // * does not cross /
		"repo:acme/app:*":                   false,
		"repo:acme/app:ref:refs/heads/":     false,
		"repo:Acme/app:ref:refs/heads/main": false,
	} {
		p := policy.Policy{System: rulesOf(t, "deploy "+pattern+" "+github)}
		if _, err := p.Decide(main, policy.Request{User: "deploy"}); (err == nil) != want {
			t.Errorf("%s: expected %v, got %v", pattern, want, err)
		}
	}
	// An issuer of jobs by its row alone, as an enterprise has one.
	own := pktokentest.NewIssuer(t, op, "RS256")
	p := policy.Policy{System: rulesOf(t, "deploy repo:acme/app:ref:refs/heads/* "+op)}
	if _, err := p.Decide(job(t, own, "repo:acme/app:ref:refs/heads/main"), policy.Request{User: "deploy"}); err != nil {
		t.Errorf("commitment=aud: %v", err)
	}
	// A token that is no CI job's, of a row with commitment=nonce.
	person := issuer.Verified(t, pktokentest.UserKey(t), map[string]any{"sub": "repo:acme/app:ref:refs/heads/main"})
	p = policy.Policy{System: rulesOf(t, "deploy repo:acme/app:ref:refs/heads/main "+github)}
	_, err := p.Decide(person, policy.Request{User: "deploy"})
	if reason := reasonOf(t, nil, err); reason != policy.ReasonNoRule {
		t.Errorf("expected %s, got %s", policy.ReasonNoRule, reason)
	}
}

func TestDecideReasons(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	issued := time.Now().Add(-time.Minute).Truncate(time.Second)
	revoked := func(identity string, at time.Time) string {
		return "revoked_before: {" + identity + ": " + at.UTC().Format(time.RFC3339) + "}"
	}
	allow := "root alice@example.com " + op
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, test := range []struct {
		name     string
		rule     string
		config   string
		claims   map[string]any
		userinfo map[string]any
		request  policy.Request
		want     policy.Reason
		line     int
	}{
		{name: "fits", rule: allow},
		{name: "another user", rule: allow, request: policy.Request{User: "alice"}, want: policy.ReasonNoRule},
		{name: "user in capitals", rule: allow, request: policy.Request{User: "ROOT"}, want: policy.ReasonNoRule},
		{name: "no user", rule: allow, request: policy.Request{User: "-"}, want: policy.ReasonNoRule},
		{name: "another issuer", rule: allow + "/", want: policy.ReasonNoRule, line: 1},
		{name: "another person", rule: allow, claims: claims("email", "bob@example.com"), want: policy.ReasonNoRule, line: 1},

		{name: "denied user", rule: allow, config: "deny_users: [root]", want: policy.ReasonDeniedUser, line: 1},
		{name: "denied user in capitals", rule: allow, config: "deny_users: [rooT]", want: policy.ReasonDeniedUser, line: 1},
		{name: "denied user, another letter than of ASCII", rule: allow, config: "deny_users: [rootſ]"},
		{name: "denied email", rule: allow, config: "\ndeny_emails: [b@x.y, Alice@EXAMPLE.com]", want: policy.ReasonDeniedEmail, line: 2},
		{name: "denied email with blanks", rule: "root 1234 " + op, config: "deny_emails: [alice@example.com]", claims: claims("email", " alice@example.com\t"), want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email, let in by subject", rule: "root 1234 " + op, config: "deny_emails: [alice@example.com]", want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email among several", rule: "root 1234 " + op, config: "deny_emails: [alice@example.com]", claims: claims("email", []string{"a@b.c", "ALICE@example.com"}), want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email as subject", rule: "root oidc:sub:alice@example.com " + op, config: "deny_emails: [alice@example.com]", claims: claims("email", nil, "sub", "alice@example.com"), want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email of userinfo", rule: "root 1234 " + op, config: "deny_emails: [alice@example.com]", claims: claims("email", nil), userinfo: map[string]any{"sub": "1234", "email": "alice@example.com"}, want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email of userinfo beside another", rule: "root 1234 " + op, config: "deny_emails: [alice@example.com]", claims: claims("email", "a@b.c"), userinfo: map[string]any{"sub": "1234", "email": "alice@example.com"}, want: policy.ReasonDeniedEmail, line: 1},
		{name: "denied email of another", rule: allow, config: "deny_emails: [bob@example.com]"},
		{name: "denied email with KELVIN SIGN", rule: allow, config: "deny_emails: [mark@example.com]", claims: claims("email", "mar\u212a@example.com"), want: policy.ReasonNoRule, line: 1},

		{name: "denied subject", rule: allow, config: "deny: [{sub: 1234, issuer: " + op + "}]", want: policy.ReasonDeniedSubject, line: 1},
		{name: "denied subject that is a number", rule: allow, config: "deny: [{sub: 1234, issuer: " + op + "}]", claims: claims("sub", 1234), want: policy.ReasonDeniedSubject, line: 1},
		{name: "denied subject of another issuer", rule: allow, config: "deny: [{sub: 1234, issuer: https://gitlab.com}]"},
		{name: "denied claim", rule: allow, config: "deny: [{claim: 'groups:x'}]", claims: claims("groups", []string{"y", "x"}), want: policy.ReasonDeniedClaim, line: 1},
		{name: "denied claim of userinfo", rule: allow, config: "deny: [{claim: 'groups:x'}]", userinfo: map[string]any{"sub": "1234", "groups": []any{"x"}}, want: policy.ReasonDeniedClaim, line: 1},
		{name: "denied claim of userinfo beside another", rule: allow, config: "deny: [{claim: 'groups:x'}]", claims: claims("groups", "y"), userinfo: map[string]any{"sub": "1234", "groups": []any{"x"}}, want: policy.ReasonDeniedClaim, line: 1},
		{name: "denied claim that userinfo has with another value", rule: allow, config: "deny: [{claim: 'groups:x'}]", claims: claims("groups", "x"), userinfo: map[string]any{"sub": "1234", "groups": "y"}, want: policy.ReasonDeniedClaim, line: 1},
		{name: "denied claim with another value", rule: allow, config: "deny: [{claim: 'groups:x'}]", claims: claims("groups", "xy")},
		{name: "denied claim of the issuer", rule: allow, config: "deny: [{claim: 'groups:x', issuer: " + op + "}]", claims: claims("groups", "x"), want: policy.ReasonDeniedClaim, line: 1},
		{name: "denied claim of another issuer", rule: allow, config: "deny: [{claim: 'groups:x', issuer: https://gitlab.com}]", claims: claims("groups", "x")},
		{name: "denied claim email in capitals", rule: allow, config: "deny: [{claim: 'email:ALICE@example.com'}]", want: policy.ReasonDeniedClaim, line: 1},

		{name: "denied key", rule: allow, config: "deny: [{key: " + fingerprint + "}]", request: policy.Request{KeyFingerprint: fingerprint}, want: policy.ReasonDeniedKey, line: 1},
		{name: "denied certificate", rule: allow, config: "deny: [{key: " + fingerprint + "}]", request: policy.Request{KeyFingerprint: "SHA256:x", CertificateFingerprint: fingerprint}, want: policy.ReasonDeniedKey, line: 1},
		{name: "denied key, and none is known", rule: allow, config: "deny: [{key: " + fingerprint + "}]", want: policy.ReasonDeniedKey, line: 1},
		{name: "denied key of another", rule: allow, config: "deny: [{key: " + fingerprint + "}]", request: policy.Request{KeyFingerprint: "SHA256:x"}},

		{name: "revoked", rule: allow, config: revoked("alice@example.com", issued.Add(time.Second)), want: policy.ReasonRevoked, line: 1},
		{name: "revoked in the same second", rule: allow, config: revoked("ALICE@example.com", issued), want: policy.ReasonRevoked, line: 1},
		{name: "issued after the revocation", rule: allow, config: revoked("alice@example.com", issued.Add(-time.Second))},
		{name: "revoked by subject", rule: allow, config: revoked("1234", issued), want: policy.ReasonRevoked, line: 1},
		{name: "revoked subject that is a number", rule: allow, config: revoked("1234", issued), claims: claims("sub", 1234), want: policy.ReasonRevoked, line: 1},
		{name: "revoked email of userinfo", rule: "root 1234 " + op, config: revoked("alice@example.com", issued), claims: claims("email", "a@b.c"), userinfo: map[string]any{"sub": "1234", "email": "alice@example.com"}, want: policy.ReasonRevoked, line: 1},
		{name: "revoked another", rule: allow, config: revoked("bob@example.com", issued)},
		{name: "revoked subject in capitals is another", rule: "root abcd " + op, config: revoked("ABCD", issued), claims: claims("sub", "abcd")},

		{name: "email not verified", rule: allow, claims: claims("email_verified", false)},
		{name: "email not verified, required", rule: allow, config: "require_email_verified: true", claims: claims("email_verified", false), want: policy.ReasonEmailNotVerified, line: 1},
		{name: "email verified unknown, required", rule: allow, config: "require_email_verified: true", claims: claims("email_verified", nil), want: policy.ReasonEmailNotVerified, line: 1},
		{name: "suffix of email not verified, required", rule: "root oidc-match-end:email:@example.com " + op, config: "require_email_verified: true", claims: claims("email_verified", false), want: policy.ReasonEmailNotVerified, line: 1},
		{name: "claim email not verified, required", rule: "root oidc:email:alice@example.com " + op, config: "require_email_verified: true", claims: claims("email_verified", false), want: policy.ReasonEmailNotVerified, line: 1},
		{name: "email verified, required", rule: allow, config: "require_email_verified: true"},
		{name: "email verified as text, required", rule: allow, config: "require_email_verified: true", claims: claims("email_verified", "true")},
		{name: "subject needs no email, required", rule: "root 1234 " + op, config: "require_email_verified: true", claims: claims("email", nil, "email_verified", nil)},

		{name: "before expiry-time in the clock's zone", rule: allow + ` expiry-time="202611201201"`, request: policy.Request{Now: now}},
		{name: "at expiry-time in the clock's zone", rule: allow + ` expiry-time="202611201200"`, request: policy.Request{Now: now}, want: policy.ReasonRuleExpired, line: 1},
		{name: "before expiry-time in UTC", rule: allow + ` expiry-time="202611201101Z"`, request: policy.Request{Now: now}},
		{name: "at expiry-time in UTC", rule: allow + ` expiry-time="20261120110000Z"`, request: policy.Request{Now: now}, want: policy.ReasonRuleExpired, line: 1},
		{name: "expiry-time without a clock", rule: allow + ` expiry-time="20991231"`, want: policy.ReasonRuleExpired, line: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.claims == nil {
				test.claims = claims()
			}
			test.claims["iat"] = issued.Unix()
			v := issuer.Verified(t, user, test.claims)
			if test.userinfo != nil {
				var err error
				if v, err = v.WithUserinfo(test.userinfo); err != nil {
					t.Fatal(err)
				}
			}
			if test.request.User == "" {
				test.request.User = "root"
			}
			p := policy.Policy{System: rulesOf(t, test.rule)}
			if test.config != "" {
				p.Config = configOf(t, test.config)
			}
			d, err := p.Decide(v, test.request)
			if got := reasonOf(t, d, err); got != test.want {
				t.Fatalf("expected reason %q, got %v", test.want, err)
			}
			var denied *policy.Denied
			if errors.As(err, &denied) && denied.Line != test.line {
				t.Errorf("expected line %d, got %v", test.line, err)
			}
		})
	}
}

func TestZeroValuesDeny(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), map[string]any{"sub": nil, "groups": ""})
	ruleWith := func(identity policy.Identity) policy.Policy {
		return policy.Policy{System: []policy.Rule{{Principal: "root", Issuer: op, Identity: identity}}}
	}
	for name, test := range map[string]struct {
		policy policy.Policy
		v      *pktoken.Verified
		user   string
		want   policy.Reason
	}{
		"zero policy":   {policy.Policy{}, v, "root", policy.ReasonNoRule},
		"zero rule":     {policy.Policy{System: []policy.Rule{{}}}, v, "", policy.ReasonNoRule},
		"no identity":   {ruleWith(policy.Identity{Value: "x"}), v, "root", policy.ReasonNoRule},
		"empty email":   {ruleWith(policy.Identity{Kind: policy.IdentityEmail}), v, "root", policy.ReasonNoRule},
		"empty subject": {ruleWith(policy.Identity{Kind: policy.IdentitySubject}), v, "root", policy.ReasonNoRule},
		"empty claim":   {ruleWith(policy.Identity{Kind: policy.IdentityClaim, Claim: "groups"}), v, "root", policy.ReasonNoRule},
		"empty principal": {policy.Policy{System: []policy.Rule{{Issuer: op, Identity: policy.Identity{Kind: policy.IdentityClaim,
			Claim: "iss", Value: op}}}}, v, "", policy.ReasonNoRule},
		"empty issuer": {policy.Policy{System: []policy.Rule{{Principal: "root", Identity: policy.Identity{Kind: policy.IdentityClaim,
			Claim: "iss", Value: op}}}}, v, "root", policy.ReasonNoRule},
		"no token":   {policy.Policy{System: rulesOf(t, "root alice@example.com "+op)}, nil, "root", policy.ReasonNotVerified},
		"zero token": {policy.Policy{System: rulesOf(t, "root alice@example.com "+op)}, &pktoken.Verified{}, "root", policy.ReasonNotVerified},
	} {
		d, err := test.policy.Decide(test.v, policy.Request{User: test.user})
		if got := reasonOf(t, d, err); got != test.want {
			t.Errorf("%s: expected %s, got %v", name, test.want, err)
		}
		if test.want == policy.ReasonNotVerified && test.policy.Explain(test.v, policy.Request{}) != nil {
			t.Errorf("%s: Explain speaks of a token that is not verified", name)
		}
	}
}

func TestFirstFittingRuleDecides(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), claims("groups", "dev"))
	p := policy.Policy{
		System: rulesOf(t,
			"bob alice@example.com "+op,
			"root bob@example.com "+op,
			"root oidc:groups:dev "+op+` restrict,expiry-time="20200101"`,
			"root oidc:groups:dev "+op+` restrict,command="date"`,
			"root alice@example.com "+op),
		Home: rulesOf(t, "root 1234 "+op+" no-pty", "carol 1234 "+op),
	}
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	d, err := p.Decide(v, policy.Request{User: "root", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if d.Rule.Line != 4 || d.Rule.File != "auth_id" || policy.FormatOptions(d.Options) != `restrict,command="date"` || len(d.Warnings) != 0 {
		t.Errorf("got %+v", d)
	}
	d, err = p.Decide(v, policy.Request{User: "carol", Now: now})
	if err != nil || d.Rule.Line != 2 || len(d.Options) != 0 {
		t.Errorf("home rule: got %+v, %v", d, err)
	}
	want := []policy.Outcome{policy.OtherUser, policy.OtherIdentity, policy.RuleExpired, policy.Fits, policy.Fits, policy.Fits, policy.OtherUser}
	steps := p.Explain(v, policy.Request{User: "root", Now: now})
	if len(steps) != len(want) {
		t.Fatalf("expected %d steps, got %d", len(want), len(steps))
	}
	for i, s := range steps {
		if s.Outcome != want[i] {
			t.Errorf("step %d: expected %s, got %s", i, want[i], s.Outcome)
		}
	}
}

// TestExpiryTimeIsEnforced: it is no option that anybody else has to look at.
func TestExpiryTimeIsEnforced(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), claims())
	for options, want := range map[string]string{
		`expiry-time="20301231Z"`:                        "",
		`expiry-time="20301231"`:                         "",
		`no-pty,EXPIRY-TIME="203012311200Z",command="a"`: `no-pty,command="a"`,
	} {
		p := policy.Policy{System: rulesOf(t, "root alice@example.com "+op+" "+options)}
		d, err := p.Decide(v, policy.Request{User: "root", Now: time.Date(2030, 12, 30, 0, 0, 0, 0, time.UTC)})
		if err != nil || policy.FormatOptions(d.Options) != want || len(d.Rule.Options) != len(d.Options)+1 {
			t.Errorf("%s: expected %q, got %+v, %v", options, want, d, err)
		}
	}
}

// TestRuleUntrusted: a rule whose file is not to be trusted lets nobody in, and takes nobody's place; a file that cannot be read might
// hold a rule for anybody.
func TestRuleUntrusted(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), claims())
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	const trusted, limited = "root oidc-match-end:email:@example.com " + op, "root alice@example.com " + op + " no-pty"
	doubtful := func(row string) []policy.Rule {
		rules := rulesOf(t, row)
		rules[0].File, rules[0].Line, rules[0].Doubt = "doubtful", 7, "mode: x\x1b\n\u202e"
		return rules
	}
	unread := []policy.Rule{{File: "unread", Doubt: "access"}}
	for name, test := range map[string]struct {
		rules [][]policy.Rule
		home  []policy.Rule
		want  policy.Reason
		file  string
	}{
		"in front":              {[][]policy.Rule{doubtful(limited), rulesOf(t, trusted)}, nil, policy.ReasonRuleUntrusted, "doubtful"},
		"alone":                 {[][]policy.Rule{doubtful(limited)}, nil, policy.ReasonRuleUntrusted, "doubtful"},
		"in front of home":      {[][]policy.Rule{doubtful(limited)}, rulesOf(t, trusted), policy.ReasonRuleUntrusted, "doubtful"},
		"behind":                {[][]policy.Rule{rulesOf(t, trusted), doubtful(limited)}, nil, "", "auth_id"},
		"for somebody else":     {[][]policy.Rule{doubtful("root bob@example.com " + op), rulesOf(t, trusted)}, nil, "", "auth_id"},
		"for another user":      {[][]policy.Rule{doubtful("bob alice@example.com " + op), rulesOf(t, trusted)}, nil, "", "auth_id"},
		"of another issuer":     {[][]policy.Rule{doubtful("root alice@example.com https://gitlab.com"), rulesOf(t, trusted)}, nil, "", "auth_id"},
		"whose time is over":    {[][]policy.Rule{doubtful(limited + `,expiry-time="20200101"`), rulesOf(t, trusted)}, nil, "", "auth_id"},
		"for nobody here":       {[][]policy.Rule{doubtful("root bob@example.com " + op)}, nil, policy.ReasonNoRule, "doubtful"},
		"unread, in front":      {[][]policy.Rule{unread, rulesOf(t, trusted)}, nil, policy.ReasonRuleUntrusted, "unread"},
		"unread, behind":        {[][]policy.Rule{rulesOf(t, trusted), unread}, nil, "", "auth_id"},
		"unread, for strangers": {[][]policy.Rule{unread}, nil, policy.ReasonRuleUntrusted, "unread"},
	} {
		p := policy.Policy{System: slices.Concat(test.rules...), Home: test.home}
		request := policy.Request{User: "root", Now: now}
		d, err := p.Decide(v, request)
		if got := reasonOf(t, d, err); got != test.want {
			t.Errorf("%s: expected reason %q, got %v", name, test.want, err)
			continue
		}
		var denied *policy.Denied
		switch {
		case err == nil && d.Rule.File != test.file:
			t.Errorf("%s: expected the rule of %s, got %+v", name, test.file, d)
		case errors.As(err, &denied) && (denied.File != test.file || !isPrintableASCII(err.Error())):
			t.Errorf("%s: expected that it names %s, got %q", name, test.file, err)
		}
		first := slices.IndexFunc(p.Explain(v, request), func(s policy.Step) bool { return s.Outcome >= policy.RuleUntrusted })
		if test.want != policy.ReasonNoRule && p.Explain(v, request)[first].Rule.File != test.file {
			t.Errorf("%s: expected that the first step that decides is of %s", name, test.file)
		}
	}
}

func TestWarningForAnEmailThatIsNotVerified(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	for _, test := range []struct {
		identity string
		verified any
		want     int
	}{
		{"oidc-match-end:email:@example.com", true, 0},
		{"oidc-match-end:email:@example.com", "true", 0},
		{"oidc-match-end:email:@example.com", false, 1},
		{"oidc-match-end:email:@example.com", "false", 1},
		{"oidc-match-end:email:@example.com", nil, 1},
		{"1234", nil, 0},
	} {
		rules := rulesOf(t, "root "+test.identity+" "+op)
		v := issuer.Verified(t, user, claims("email", "a\n\u009b\x1b[2K@example.com", "email_verified", test.verified))
		d, err := (&policy.Policy{System: rules}).Decide(v, policy.Request{User: "root"})
		if err != nil || len(d.Warnings) != test.want {
			t.Errorf("%s, email_verified %v: expected %d warnings, got %+v, %v", test.identity, test.verified, test.want, d, err)
			continue
		}
		for _, w := range d.Warnings {
			if !isPrintableASCII(w) {
				t.Errorf("the warning is not printable: %q", w)
			}
		}
	}
}

// TestWarningForAPersonWithoutEmail: locks by email do not see her, and the log says so.
func TestWarningForAPersonWithoutEmail(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	for _, test := range []struct {
		config string
		email  any
		want   int
	}{
		{"", nil, 0},
		{"deny_emails: [mallory@example.com]", nil, 1},
		{"deny_emails: [mallory@example.com]", "alice@example.com", 0},
		{"deny: [{claim: \"email:mallory@example.com\"}]", nil, 1},
		{"deny: [{claim: \"groups:contractors\"}]", nil, 0},
		{"revoked_before: {mallory@example.com: 2026-11-20T09:00:00Z}", nil, 1},
		{"revoked_before: {mallory: 2026-11-20T09:00:00Z}", nil, 0},
		{"deny_users: [deploy]", nil, 0},
	} {
		config, err := policy.ParseConfig("config.yml", []byte(test.config))
		if err != nil {
			t.Fatal(err)
		}
		v := issuer.Verified(t, user, claims("sub", "1234", "email", test.email))
		d, err := (&policy.Policy{Config: config, System: rulesOf(t, "root 1234 "+op)}).Decide(v, policy.Request{User: "root"})
		if err != nil || len(d.Warnings) != test.want {
			t.Errorf("%s, email %v: expected %d warnings, got %+v, %v", test.config, test.email, test.want, d, err)
		}
	}
}

// TestNoWarningForJobs: they have no email, and nobody chooses what their tokens say. People whose tokens name the key do.
func TestNoWarningForJobs(t *testing.T) {
	config, err := policy.ParseConfig("config.yml", []byte("deny_emails: [mallory@example.com]"))
	if err != nil {
		t.Fatal(err)
	}
	hub := pktokentest.NewIssuer(t, github, "RS256")
	const sub = "repo:acme/app:ref:refs/heads/main"
	for _, test := range []struct {
		name string
		v    *pktoken.Verified
		rule string
		want int
	}{
		{"job", job(t, hub, sub), "root " + sub + " " + github, 0},
		{"key binding", boundKey(t), "root 1234 " + op, 1},
	} {
		d, err := (&policy.Policy{Config: config, System: rulesOf(t, test.rule)}).Decide(test.v, policy.Request{User: "root"})
		if err != nil || len(d.Warnings) != test.want {
			t.Errorf("%s: expected %d warnings, got %+v, %v", test.name, test.want, d, err)
		}
	}
}

// boundKey is a verified token that names the user's key in `cnf`.
func boundKey(t *testing.T) *pktoken.Verified {
	t.Helper()
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	client, err := pktoken.NewClientInstance(rand.Reader, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := pktokentest.PublicJWK(t, user.Public())
	now := time.Now().Unix()
	payload, err := json.Marshal(map[string]any{
		"iss": op, "aud": pktokentest.ClientID, "sub": "1234", "iat": now, "exp": now + 60,
		"cnf": map[string]any{"jwk": map[string]any{"kty": key["kty"], "crv": key["crv"], "x": key["x"], "y": key["y"], "alg": "ES256"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	header := issuer.Header()
	header["typ"] = "dpop+id_token"
	token, err := client.Bind(issuer.Sign(t, header, payload))
	if err != nil {
		t.Fatal(err)
	}
	row := issuer.Provider()
	row.Commitment = pktoken.CommitmentKeyBinding
	v, err := (&pktoken.Verifier{Providers: []pktoken.Provider{row}, Keys: pktokentest.KeySet(t, issuer)}).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNearestRule: of rules that fail in the same way, the first is named.
func TestNearestRule(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), claims("sub", "1234"))
	const expired = "root 1234 " + op + ` expiry-time="20200101"` + "\n"
	_, err := (&policy.Policy{System: rulesOf(t, expired+expired)}).Decide(v, policy.Request{User: "root"})
	var denied *policy.Denied
	if !errors.As(err, &denied) || denied.Reason != policy.ReasonRuleExpired || denied.Line != 1 {
		t.Errorf("expected the rule of line 1, got %+v", denied)
	}
}

func TestDeniedText(t *testing.T) {
	for want, denied := range map[string]policy.Denied{
		"no-rule: detail":                                         {},
		"auth_id: no-rule: detail":                                {File: "auth_id"},
		"auth_id:3: no-rule: detail":                              {File: "auth_id", Line: 3},
		`auth\x1b:3: no-rule: detail`:                             {File: "auth\x1b", Line: 3},
		`no-rule: detail: expected "a", got "b"`:                  {Expected: "a", Got: "b"},
		`no-rule: detail: expected "a"`:                           {Expected: "a"},
		`a: no-rule: detail: got "\x1b"`:                          {File: "a", Got: "\x1b"},
		`no-rule: detail: got "` + long(200) + `"`:                {Got: long(200)},
		`no-rule: detail: got "` + long(200) + `"... (201 bytes)`: {Got: long(201)},
	} {
		denied.Reason, denied.Detail = policy.ReasonNoRule, "detail"
		if got := denied.Error(); got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	}
	for detail, want := range map[string]string{" ~": " ~", "\x1f": `\x1f`, "\x7f": `\x7f`, "ü": `\u00fc`, `"\`: `"\`} {
		if got := (&policy.Denied{Reason: policy.ReasonNoRule, Detail: detail}).Error(); got != "no-rule: "+want {
			t.Errorf("expected %s, got %s", want, got)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func isPrintableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func TestDeniedIsPrintable(t *testing.T) {
	v := pktokentest.NewIssuer(t, op, "ES256").Verified(t, pktokentest.UserKey(t), claims("email", "a\n\x1b"+strings.Repeat("x", 9000)))
	for _, user := range []string{"root\n\x1b[2K\u009b", "root"} {
		_, err := (&policy.Policy{System: rulesOf(t, "root bob@example.com "+op)}).Decide(v, policy.Request{User: user})
		if err == nil || len(err.Error()) > 1000 || !isPrintableASCII(err.Error()) {
			t.Errorf("expected one short line, got %v", err)
		}
	}
}
