package policy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/policy"
)

func TestParseExpectations(t *testing.T) {
	const file = `# who may what
tests:
  - name: alice administers
    user: root
    issuer: https://op.example.com
    client_id: opkssh
    email: alice@example.com
    email_verified: true
    sub: 0123
    claims: {groups: [ops, 7], hd: example.com, none: []}
    expect: allow
    options: no-pty,command="a, b"
  - {user: root, issuer: google, sub: x, expect: no-rule}
  - {user: root, issuer: google, claims: {groups: ops}, expect: deny}
`
	options := `no-pty,command="a, b"`
	want := []policy.Expectation{
		{
			Name: "alice administers", User: "root", Issuer: "https://op.example.com", ClientID: "opkssh", Email: "alice@example.com", Subject: "0123",
			Claims: map[string]any{"groups": []any{"ops", "7"}, "hd": "example.com", "none": []any{}, "email_verified": true},
			Expect: "allow", Options: &options, File: "tests.yml", Line: 3,
		},
		{User: "root", Issuer: "google", Subject: "x", Expect: "no-rule", File: "tests.yml", Line: 13},
		{User: "root", Issuer: "google", Claims: map[string]any{"groups": "ops"}, Expect: "deny", File: "tests.yml", Line: 14},
	}
	got, err := policy.ParseExpectations("tests.yml", []byte(file))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("expected %+v, got %+v, %v", want, got, err)
	}
}

func TestBadExpectations(t *testing.T) {
	const who = "user: root, issuer: google, sub: x"
	for name, test := range map[string]struct {
		text string
		at   string // the error is where this stands for the last time
	}{
		"no tests":              {"tests: []", "tests"},
		"no member":             {"{}", "{"},
		"unknown member":        {"test: []", "test"},
		"unknown in a test":     {"tests:\n  - {" + who + ", expect: deny, exect: allow}", "exect"},
		"no user":               {"tests: [{issuer: google, sub: x, expect: deny}]", "{"},
		"no issuer":             {"tests: [{user: root, sub: x, expect: deny}]", "{"},
		"nobody":                {"tests: [{user: root, issuer: google, expect: deny}]", "{"},
		"nothing expected":      {"tests: [{" + who + "}]", "{"},
		"unknown reason":        {"tests: [{" + who + ", expect: norule}]", "norule"},
		"a reason of no honest": {"tests: [{" + who + ", expect: provider-signature}]", "provider-signature"},
		"bad user":              {"tests: [{user: 'a,b', issuer: google, sub: x, expect: deny}]", "'a"},
		"bad issuer":            {"tests: [{user: root, issuer: goggle, sub: x, expect: deny}]", "goggle"},
		"bad email":             {"tests: [{user: root, issuer: google, email: '*@x.org', expect: deny}]", "'*"},
		"bad client":            {"tests: [{" + who + ", expect: deny, client_id: ''}]", "''"},
		"bad subject":           {"tests: [{user: root, issuer: google, sub: '*', expect: deny}]", "'*"},
		"bad options":           {"tests: [{" + who + ", expect: allow, options: no-pyt}]", "no-pyt"},
		"two sets of options":   {"tests: [{" + who + ", expect: allow, options: no-pty restrict}]", "no-pty"},
		"options of a denial":   {"tests: [{" + who + ", expect: deny, options: no-pty}]", "{"},
		"a token's own claim":   {"tests: [{" + who + ", expect: deny, claims: {iat: 5}}]", "iat"},
		"a claim said twice":    {"tests: [{" + who + ", expect: deny, claims: {sub: y}}]", "sub"},
		"a claim without name":  {"tests: [{" + who + ", expect: deny, claims: {'': y}}]", "''"},
		"a claim of members":    {"tests: [{" + who + ", expect: deny, claims: {a: {b: c}}}]", "{b"},
		"a list in a list":      {"tests: [{" + who + ", expect: deny, claims: {a: [[b]]}}]", "[b"},
		"verified by a word":    {"tests: [{" + who + ", expect: deny, email_verified: maybe}]", "maybe"},
		"a number of tests":     {"tests: 5", "5"},
	} {
		got, err := policy.ParseExpectations("tests.yml", []byte(test.text))
		before := test.text[:strings.LastIndex(test.text, test.at)]
		line, column := 1+strings.Count(before, "\n"), len(before)-strings.LastIndex(before, "\n")
		var wrong *policy.ConfigError
		if !errors.As(err, &wrong) || wrong.Line != line || wrong.Column != column || wrong.File != "tests.yml" || got != nil {
			t.Errorf("%s: %s: expected an error at %d:%d, got %+v, %v", name, test.text, line, column, wrong, got)
		}
	}
	for _, text := range []string{"", "# nothing", "tests: ["} {
		if got, err := policy.ParseExpectations("tests.yml", []byte(text)); err == nil {
			t.Errorf("%q: expected an error, got %v", text, got)
		}
	}
}

func FuzzParseExpectations(f *testing.F) {
	f.Add("tests: [{user: root, issuer: google, sub: x, expect: deny}]")
	f.Add("tests:\n  - user: root\n    issuer: https://op.example.com\n    claims: {groups: [a, b]}\n    expect: allow\n    options: 'command=\"x\"'\n")
	f.Fuzz(func(t *testing.T, text string) {
		var tests []policy.Expectation
		var err error
		allocation.Check(t, len(text), func() { tests, err = policy.ParseExpectations("tests.yml", []byte(text)) })
		var wrong *policy.ConfigError
		if err != nil && (!errors.As(err, &wrong) || tests != nil) {
			t.Fatalf("expected a ConfigError and nothing else, got %T, %v", err, tests)
		}
		for _, e := range tests {
			if e.User == "" || e.Issuer == "" || e.Expect == "" || e.Subject == "" && e.Email == "" && len(e.Claims) == 0 {
				t.Fatalf("%q: expected nothing that is incomplete, got %+v", text, e)
			}
			if e.Options != nil {
				if _, err := policy.ParseOptions(*e.Options); err != nil || strings.ContainsAny(*e.Options, "\n") {
					t.Fatalf("%q: options that cannot be read: %v", text, err)
				}
			}
		}
	})
}
