package policy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/policy"
)

const fingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

func TestParseConfig(t *testing.T) {
	got, err := policy.ParseConfig("config.yml", []byte(`---
env_vars: {HTTPS_PROXY: "http://proxy:3128", DEBUG: 1, EMPTY: ""}
deny_emails:
  - " Mallory@Example.com "
  - eve@example.com
deny_users: [root, 'DOMAIN\bob']
deny:
  - {sub: 0123, issuer: "https://op.example.com"}
  - {claim: "groups:team:contractors"}
  - {claim: '"https://acme.com/groups":x', issuer: https://op.example.com}
  - key: `+fingerprint+`
revoked_before:
  alice@example.com: 2026-11-20T09:00:00Z
  "1234": "2026-11-20T09:00:00+01:00"
  Subject: 2026-11-20T09:00:00Z
  subject: 2026-11-20T09:00:00Z
require_email_verified: true
home_policy: false
key_cache: {ttl: 2h, max_stale: 2d, min_refresh: 1m, timeout: 500ms}
log: {to: /var/log/opkssh.log, level: debug}
chain: ["/usr/bin/sss_ssh_authorizedkeys %u", '/opt/keys --key "%t %k" 100%%']
sandbox: false
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &policy.Config{
		File:       "config.yml",
		DenyEmails: []policy.DenyName{{Name: "Mallory@Example.com", Line: 4}, {Name: "eve@example.com", Line: 5}},
		DenyUsers:  []policy.DenyName{{Name: "root", Line: 6}, {Name: `DOMAIN\bob`, Line: 6}},
		Deny: []policy.DenyEntry{
			{Subject: "0123", Issuer: op, Line: 8},
			{Claim: "groups", Value: "team:contractors", Line: 9},
			{Claim: "https://acme.com/groups", Value: "x", Issuer: op, Line: 10},
			{Key: fingerprint, Line: 11},
		},
		RequireEmailVerified: true,
		EnvVars:              map[string]string{"HTTPS_PROXY": "http://proxy:3128", "DEBUG": "1", "EMPTY": ""},
		KeyCache:             policy.KeyCache{TTL: 2 * time.Hour, MaxStale: 48 * time.Hour, MinRefresh: time.Minute, Timeout: 500 * time.Millisecond},
		Log:                  policy.Log{To: "/var/log/opkssh.log", Level: "debug"},
		Chain:                [][]string{{"/usr/bin/sss_ssh_authorizedkeys", "%u"}, {"/opt/keys", "--key", "%t %k", "100%%"}},
	}
	revoked := got.RevokedBefore
	got.RevokedBefore = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("expected %+v, got %+v", want, got)
	}
	for i, want := range []policy.Revocation{
		{Identity: "alice@example.com", Before: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Line: 13},
		{Identity: "1234", Before: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC), Line: 14},
		// Letters of a subject have a case.
		{Identity: "Subject", Before: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Line: 15},
		{Identity: "subject", Before: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Line: 16},
	} {
		if r := revoked[i]; r.Identity != want.Identity || !r.Before.Equal(want.Before) || r.Line != want.Line {
			t.Errorf("expected %+v, got %+v", want, r)
		}
	}
}

func TestEmptyConfig(t *testing.T) {
	for _, data := range []string{
		"", "\n", "# comment\n", "---\n", "--- # comment\n...\n", "null\n", "{}\n", "\uFEFF",
		"env_vars:\ndeny_emails:\ndeny_users:\ndeny:\nrevoked_before:\nrequire_email_verified:\nhome_policy:\nkey_cache: {ttl: }\nlog: ~\nchain:\n",
	} {
		got, err := policy.ParseConfig("config.yml", []byte(data))
		if err != nil {
			t.Errorf("%q: %v", data, err)
			continue
		}
		want := policy.DefaultConfig()
		want.File = "config.yml"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: expected the defaults, got %+v", data, got)
		}
	}
	if c := policy.DefaultConfig(); !c.HomePolicy || c.RequireEmailVerified {
		t.Errorf("existing hosts rely on other defaults than %+v", c)
	}
}

func TestBadConfig(t *testing.T) {
	for _, test := range []struct {
		data string
		line int
	}{
		{"deny_mails: [a@example.com]", 1},
		{"log: {}\nDeny_emails: []", 2},
		{"key_cache:\n  ttl: 1h\n  tll: 1h", 3},
		{"deny: [{subject: x, issuer: " + op + "}]", 1},
		{"nonsense: 1", 1},
		{"~: 1", 1},
		{"[deny_emails]", 1},
		{"deny_emails", 1},
		{"false", 1},
		{"deny_emails: [a@example.com\n", 0},
		{"log: {}\ndeny_emails: [a@example.com]]", 1}, // the parser counts one short
		{"\tlog: {}", 1},
		{"log: {}\n---\nlog: {}", 2},
		{"log: {}\n---\n", 2},
		{"log: {}\n---\n[", 0},
		{"deny_emails: []\ndeny_users: []\ndeny_emails: []", 3},
		{"deny_emails: []\n\"deny_emails\": []", 2},
		{"log: {to: auto, to: auto}", 1},
		{"deny: [{key: x, key: y}]", 1},
		{"env_vars: {A: x, A: y}", 1},
		// anchors, aliases, merge keys and tags
		{"deny_emails: &a [x@example.com]", 1},
		{"deny_emails: &a [x@example.com]\ndeny_users: *a", 1},
		{"deny_emails: [&a x@example.com]", 1},
		{"deny_users: *a", 0},
		{"<<: {log: {}}", 1},
		{"? [a]\n: b", 1},
		{"!x deny_emails: []", 1},
		{"deny_emails: !!seq [x@example.com]", 1},
		{"deny_emails: [!!str x@example.com]", 1},
		{"deny_emails: !!null x", 1},
		{"--- !!null", 1},
		{"--- &a", 1},
		// deny lists
		{"deny_emails: mallory@example.com", 1},
		{"deny_emails: {mallory@example.com: true}", 1},
		{"deny_emails: [[mallory@example.com]]", 1},
		{"deny_emails:\n- a@example.com\n-", 3},
		{"deny_emails: [null]", 1},
		{"deny_emails: ['']", 1},
		{"deny_emails: [' ']", 1},
		{"deny_emails: ['@']", 1},
		{"deny_emails: ['@example.com']", 1},
		{"deny_emails: [mallory@]", 1},
		{"deny_emails: [mallory]", 1},
		{"deny_emails: ['*@example.com']", 1},
		{"deny_emails: ['mallory@*']", 1},
		{"deny_emails: ['a@example.com b@example.com']", 1},
		{"deny_emails: ['a@example.com,b@example.com']", 1},
		{`deny_emails: ["a@example.com\0"]`, 1},
		{"deny_users: root", 1},
		{"deny_users: ['']", 1},
		{"deny_users: ['*']", 1},
		{"deny_users: ['ro ot']", 1},
		{"deny_users: ['root,bob']", 1},
		{"deny: {sub: x}", 1},
		{"deny: [x]", 1},
		{"deny:\n- {}", 2},
		{"deny: [{sub: x}]", 1},
		{"deny: [{issuer: " + op + "}]", 1},
		{"deny: [{sub: '', issuer: " + op + "}]", 1},
		{"deny: [{sub: '*', issuer: " + op + "}]", 1},
		{"deny: [{sub: x, issuer: op.example.com}]", 1},
		{"deny: [{sub: x, issuer: " + op + ", claim: 'a:b'}]", 1},
		{"deny: [{claim: groups}]", 1},
		{"deny: [{claim: 'groups:'}]", 1},
		{"deny: [{claim: ':x'}]", 1},
		{"deny: [{claim: 'groups:*'}]", 1},
		{"deny: [{key: " + fingerprint + ", claim: 'a:b'}]", 1},
		{"deny: [{key: " + fingerprint + ", issuer: " + op + "}]", 1},
		{"deny: [{key: " + fingerprint[7:] + "}]", 1},
		{"deny: [{key: '" + fingerprint + "='}]", 1},
		{"deny: [{key: " + fingerprint[:49] + "}]", 1},
		{"deny: [{key: " + fingerprint[:49] + "V}]", 1}, // trailing bits
		{"deny: [{key: " + fingerprint[:48] + "A}]", 1}, // 31 bytes
		{"deny: [{key: " + fingerprint + "A}]", 1},      // 33 bytes
		{"deny: [{claim: '\"groups:x'}]", 1},
		{"deny: [{key: \"" + fingerprint[:20] + "\\n" + fingerprint[20:] + "\"}]", 1},
		{"deny: [{key: 'MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e'}]", 1},
		{"revoked_before: [alice@example.com]", 1},
		{"revoked_before: {alice@example.com: now}", 1},
		{"revoked_before: {alice@example.com: 2026-11-20}", 1},
		{"revoked_before: {alice@example.com: '2026-11-20 09:00:00'}", 1},
		{"revoked_before: {alice@example.com: 1795165200}", 1},
		{"revoked_before: {alice@example.com: 1969-11-20T09:00:00Z}", 1},
		{"revoked_before: {alice@example.com: }", 1},
		{"revoked_before: {alice@example.com: [2026-11-20T09:00:00Z]}", 1},
		{"revoked_before: {'': 2026-11-20T09:00:00Z}", 1},
		{"revoked_before: {'*': 2026-11-20T09:00:00Z}", 1},
		{"revoked_before: {~: 2026-11-20T09:00:00Z}", 1},
		{"revoked_before: {a@b.c: 2026-11-20T09:00:00Z, A@b.c: 2026-11-20T09:00:00Z}", 1},
		{"revoked_before: {'x': 2026-11-20T09:00:00Z, ' x': 2026-11-20T09:00:00Z}", 1},
		// the others
		{"require_email_verified: yes", 1},
		{"require_email_verified: 'true'", 1},
		{"require_email_verified: 1", 1},
		{"home_policy: []", 1},
		{"key_cache: 1h", 1},
		{"key_cache: {ttl: 1}", 1},
		{"key_cache: {max_stale: 0s}", 1},
		{"key_cache: {min_refresh: -1s}", 1},
		{"key_cache: {timeout: soon}", 1},
		{"log: auto", 1},
		{"log: {to: nowhere}", 1},
		{"log: {to: ''}", 1},
		{"log: {to: ../log}", 1},
		{"log: {to: /var/../log}", 1},
		{"log: {to: /}", 1},
		{"log: {level: trace}", 1},
		{"env_vars: [A=b]", 1},
		{"env_vars: {A=b: c}", 1},
		{"env_vars: {1A: c}", 1},
		{"env_vars: {'': c}", 1},
		{"env_vars: {A: }", 1},
		{"env_vars: {A: [x]}", 1},
		{`env_vars: {A: "x\ny"}`, 1},
		{"chain: /usr/bin/keys", 1},
		{"chain: [[/usr/bin/keys]]", 1},
		{"chain: ['']", 1},
		{"chain: [keys]", 1},
		{"chain: ['%u']", 1},
		{"chain: [/usr/bin/%u]", 1},
		{"chain: ['/usr/bin/keys %h']", 1},
		{"chain: ['/usr/bin/keys %']", 1},
		{"chain: ['/usr/bin/keys %%%']", 1},
		{`chain: ['/usr/bin/keys "x']`, 1},
		{strings.Repeat("# comment\n", policy.MaxConfigSize/10+1), 0},
		{strings.Repeat("[", 20000), 0},
	} {
		c, err := policy.ParseConfig("config.yml", []byte(test.data))
		var ce *policy.ConfigError
		name := test.data[:min(len(test.data), 80)]
		if c != nil || !errors.As(err, &ce) {
			t.Errorf("%q: expected a ConfigError, got %+v, %v", name, c, err)
			continue
		}
		if ce.File != "config.yml" || ce.Detail == "" || test.line != 0 && ce.Line != test.line {
			t.Errorf("%q: expected line %d, got %v", name, test.line, err)
		}
	}
}

func TestUnknownMemberSuggestsTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"deny_email": "deny_emails", "denyusers": "deny_users", "revoke_before": "revoked_before",
	} {
		_, err := policy.ParseConfig("config.yml", []byte(name+": x"))
		var ce *policy.ConfigError
		if !errors.As(err, &ce) || !strings.HasSuffix(ce.Detail, "did you mean "+want) {
			t.Errorf("%s: expected %s, got %v", name, want, err)
		}
	}
}

// A file that is something else has errors without end; the first ones are enough.
func TestConfigErrors(t *testing.T) {
	for data, want := range map[string]int{
		"deny_email: []\nlog: {to: nowhere}\ndeny: [x, y]":                                           4,
		strings.Repeat("a: b\n", 1000):                                                               20,
		"deny_users: [" + strings.Repeat("'*',", 1000) + "]":                                         20,
		"log: {to: x, level: y}\ndeny_users: [" + strings.Repeat("'*',", 1000) + "]\nhome_policy: x": 20,
	} {
		_, err := policy.ParseConfig("config.yml", []byte(data))
		var ce *policy.ConfigError
		if !errors.As(err, &ce) || len(ce.All()) != want || ce.All()[0] != ce {
			t.Errorf("%.40q: expected %d errors, got %v", data, want, err)
			continue
		}
		for i, e := range ce.Others {
			if e.File != "config.yml" || e.Line < ce.All()[i].Line || e.Others != nil {
				t.Errorf("%.40q: got %+v behind line %d", data, e, ce.All()[i].Line)
			}
		}
	}
}
