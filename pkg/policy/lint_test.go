package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/policy"
)

// lint gives code:severity:file:line of what is found.
func lint(t *testing.T, providers, rules, config string) []string {
	t.Helper()
	rows, problems := policy.ParseProviders("p", []byte(providers))
	parsed, more := policy.ParseRules("r", []byte(rules))
	if problems = append(problems, more...); len(problems) > 0 {
		t.Fatal(problems)
	}
	l := &policy.Lint{Config: configOf(t, config), Providers: rows, Rules: parsed, Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	var found []string
	for _, f := range l.Findings() {
		if f.Detail == "" || strings.ContainsFunc(f.Detail, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("expected one line of ASCII, got %q", f.Detail)
		}
		found = append(found, fmt.Sprintf("%s:%s:%s:%d", f.Code, f.Severity, f.File, f.Line))
	}
	return found
}

func TestLint(t *testing.T) {
	const (
		good    = "https://op.example.com client 24h require=email_verified:true\n"
		github  = "https://token.actions.githubusercontent.com github oidc\n"
		google  = "https://accounts.google.com client 24h\n"
		at      = " https://op.example.com\n"
		atHub   = " https://token.actions.githubusercontent.com\n"
		oneRule = "dev alice@example.com" + at
	)
	for _, test := range []struct {
		name, providers, rules, config string
		want                           []string
	}{
		{name: "all is well", providers: good + github, rules: oneRule + "ci repo:acme/app:*" + atHub + "dev oidc:groups:dev" + at},
		{name: "nothing", want: []string{"no-providers:error::0", "no-rules:warning::0"}},
		{name: "no rules", providers: good, want: []string{"unused-provider:note:p:1", "no-rules:warning::0"}},
		{name: "duplicate row", providers: good + good, rules: oneRule, want: []string{"duplicate-provider:warning:p:2"}},
		{
			name: "overlapping rows", providers: good + "https://op.example.com client 48h require=email_verified:true", rules: oneRule,
			want: []string{"overlapping-providers:warning:p:2"},
		},
		{name: "another client is no duplicate", providers: good + strings.Replace(good, "client", "other", 1), rules: oneRule},
		{
			name: "no client ID with commitment=aud", providers: github + strings.Replace(github, "github o", "other o", 1), rules: "ci repo:acme/app:*" + atHub,
			want: []string{"duplicate-provider:warning:p:2"},
		},
		{
			name: "slash in providers", providers: good + strings.Replace(good, ".com", ".com/", 1), rules: oneRule + "dev bob@example.com https://op.example.com/",
			want: []string{"issuer-near-miss:warning:p:2"},
		},
		{
			name: "almost google", providers: "https://accounts.google.com/ client 24h require=email_verified:true", rules: "dev a@example.com https://accounts.google.com/",
			want: []string{"issuer-near-miss:warning:p:1"},
		},
		{name: "slash in a rule", providers: good, rules: oneRule + "dev bob@example.com https://op.example.com/", want: []string{"issuer-near-miss:error:r:2"}},
		{name: "case in a rule", providers: good, rules: oneRule + "dev bob@example.com https://OP.example.com", want: []string{"issuer-near-miss:error:r:2"}},
		{name: "port in a rule", providers: good, rules: oneRule + "dev bob@example.com https://op.example.com:443", want: []string{"issuer-near-miss:error:r:2"}},
		{
			name: "http and https on loopback", providers: "http://localhost:8080 client 24h require=email_verified:true", rules: "dev bob@example.com https://localhost:8080",
			want: []string{"unused-provider:note:p:1", "issuer-near-miss:error:r:1"},
		},
		{name: "a letter in a rule", providers: good, rules: oneRule + "dev bob@example.com https://op.exmaple.com", want: []string{"issuer-near-miss:error:r:2"}},
		{name: "discovery document in a rule", providers: good, rules: oneRule + "dev bob@example.com https://op.example.com/.well-known/openid-configuration", want: []string{"issuer-near-miss:error:r:2"}},
		{name: "unknown issuer", providers: good, rules: oneRule + "dev bob@example.com https://sso.example.net", want: []string{"unknown-issuer:error:r:2"}},
		{
			name: "a preset that is not configured", providers: good, rules: oneRule + "dev bob@example.com https://accounts.google.com/",
			want: []string{"unknown-issuer:error:r:2"},
		},
		{name: "never", providers: "https://op.example.com client never require=email_verified:true", rules: oneRule, want: []string{"never-expires:warning:p:1"}},
		{name: "email", providers: "https://op.example.com client 24h\nhttps://op.example.com other 24h", rules: oneRule, want: []string{"email-not-checked:warning:p:1"}},
		{name: "email by another name", providers: "https://op.example.com client 24h", rules: "dev oidc:email:a@example.com" + at, want: []string{"email-not-checked:warning:p:1"}},
		{name: "email of a known provider", providers: google, rules: "dev a@example.com https://accounts.google.com", want: []string{"email-not-checked:note:p:1"}},
		{name: "email checked by config.yml", providers: "https://op.example.com client 24h", rules: oneRule, config: "require_email_verified: true"},
		{name: "no email", providers: "https://op.example.com client 24h", rules: "dev 1234" + at},
		{
			name: "repo: without commitment=aud", providers: strings.Replace(github, "oidc", "oidc commitment=nonce", 1), rules: "ci repo:acme/app:x" + atHub,
			want: []string{"no-audience-row:error:r:1"},
		},
		{name: "duplicate rule", providers: good, rules: oneRule + "dev ALICE@example.com" + at, want: []string{"duplicate-rule:warning:r:2"}},
		{name: "sub by two names", providers: good, rules: "dev 1234" + at + "dev oidc:sub:1234" + at, want: []string{"duplicate-rule:warning:r:2"}},
		{name: "other user", providers: good, rules: oneRule + "ops alice@example.com" + at},
		{name: "other issuer", providers: good + google, rules: oneRule + "dev alice@example.com https://accounts.google.com", want: []string{"email-not-checked:note:p:2"}},
		{
			name: "limits too late", providers: good, rules: "dev oidc-match-end:email:@example.com" + at + "dev Alice@Example.com https://op.example.com no-pty",
			want: []string{"shadowed-rule:error:r:2"},
		},
		{
			name: "limits first", providers: good, rules: "dev alice@example.com https://op.example.com no-pty\ndev oidc-match-end:email:@example.com" + at,
		},
		{
			name: "wide with limits", providers: good, rules: "dev oidc-match-end:email:@Example.com https://op.example.com no-pty\n" + oneRule,
			want: []string{"shadowed-rule:warning:r:2"},
		},
		{
			name: "covered", providers: good, rules: "dev oidc-match-end:email:.example.com" + at + "dev oidc-match-end:email:.eu.example.com" + at + "dev a@x.eu.example.com" + at + "dev alice@example.com" + at,
			want: []string{"covered-rule:note:r:2", "covered-rule:note:r:3"},
		},
		{
			name: "covered job", providers: github, rules: "ci repo:acme/app:ref:refs/heads/*" + atHub + "ci repo:acme/app:ref:refs/heads/main" + atHub + "ci repo:acme/app:ref:refs/tags/v1" + atHub,
			want: []string{"covered-rule:note:r:2"},
		},
		{
			name: "an end leaves the field", providers: good,
			rules: "dev alice@example.com https://op.example.com expiry-time=\"20300101\"\n" + oneRule,
		},
		{
			name: "expired", providers: good, rules: "dev alice@example.com https://op.example.com expiry-time=\"20200101\"\n" + oneRule,
			want: []string{"expired-rule:warning:r:1"},
		},
		{name: "denied user", providers: good, rules: oneRule, config: "deny_users: [dev]", want: []string{"denied-rule:warning:r:1"}},
		{name: "addresses as the log has them", providers: good, rules: oneRule,
			config: "deny_emails:\n- j\\u00fcrgen@example.com\n- bob@example.com\ndeny:\n- claim: email:a\\\"@example.com\n- claim: name:a\\@b\n" +
				"revoked_before:\n  j\\u00fcrgen@example.com: 2026-11-20T09:00:00Z\n  EXAMPLE\\bob: 2026-11-20T09:00:00Z\n  EXAMPLE\\bob@example.com: 2026-11-20T09:00:00Z\n",
			want: []string{"escaped-lock:warning:config.yml:2", "escaped-lock:warning:config.yml:5", "escaped-lock:warning:config.yml:8"}},
		{name: "locks of nobody", providers: good, rules: oneRule,
			config: "deny_emails: [\"<bob@example.com>\", bob@example.com]\ndeny:\n- claim: email:bob@example.com.\n- claim: 'email: bob@example.com'\n- claim: group:<a@b>\n" +
				"revoked_before: {'bob@example.com;1234': 2026-11-20T09:00:00Z}\n",
			want: []string{"nobody-locked:warning:config.yml:1", "nobody-locked:warning:config.yml:3"}},
		{name: "locks of people with letters of their own", providers: good, rules: oneRule,
			config: "deny_emails: [\"anna@col·lectiu.cat\", \"x@テスト・会社.jp\", \"ali@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com\"]\ndeny: [{claim: 'email:x@二〇.jp'}, {claim: 'email:a*b@example.com'}]\n"},
		{name: "denied user in another case", providers: good, rules: oneRule, config: "deny_users: [DEV]", want: []string{"denied-rule:warning:r:1"}},
		{
			name: "denied by deny", providers: good,
			rules: oneRule + "dev oidc:email:bob@example.com" + at + "dev 1234" + at + "dev oidc:sub:5678" + at + "dev oidc:groups:dev" + at + "dev oidc:groups:ops" + at,
			config: "deny:\n- {key: " + fingerprint + "}\n- {claim: 'email: ALICE@example.com'}\n- {claim: 'email:bob@example.com', issuer: \"https://op.example.com\"}\n" +
				"- {sub: 1234, issuer: \"https://op.example.com\"}\n- {sub: 5678, issuer: \"https://op.example.com/other\"}\n- {claim: 'groups:dev'}\n",
			want: []string{"denied-rule:note:r:1", "denied-rule:note:r:2", "denied-rule:note:r:3", "denied-rule:note:r:5"},
		},
		{name: "denied person", providers: good, rules: oneRule, config: "deny_emails: [Alice@example.com]", want: []string{"denied-rule:note:r:1"}},
		{name: "domain as root", providers: good, rules: "root oidc-match-end:email:@example.com" + at, want: []string{"wide-root:warning:r:1"}},
		{name: "jobs as root", providers: github, rules: "root repo:acme/app:*" + atHub + "root repo:acme/lib:ref:refs/heads/main" + atHub, want: []string{"wide-root:warning:r:1"}},
		{name: "public domain", providers: good, rules: "dev oidc-match-end:email:@GMail.com" + at, want: []string{"public-domain:error:r:1"}},
		{name: "top-level domain", providers: good, rules: "dev oidc-match-end:email:.com" + at, want: []string{"public-domain:error:r:1"}},
	} {
		if got := lint(t, test.providers, test.rules, test.config); !slices.Equal(got, test.want) {
			t.Errorf("%s: expected %q, got %q", test.name, test.want, got)
		}
	}
}

// TestLintZero: without a clock no rule has expired.
func TestLintZero(t *testing.T) {
	rules := rulesOf(t, `dev alice@example.com https://op.example.com expiry-time="20200101"`)
	for _, f := range (&policy.Lint{Rules: rules}).Findings() {
		if f.Code == policy.FindingExpiredRule {
			t.Errorf("got %+v", f)
		}
	}
}
