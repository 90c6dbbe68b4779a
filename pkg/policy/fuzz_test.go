package policy_test

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"opkssh/integration/allocation"
	"opkssh/integration/authorizedkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

func FuzzSplitCommand(f *testing.F) {
	for _, seed := range []string{`a "b c" 'd' \e # f`, `"\`, "'", "a\x00", `"\"\\\$\x"`, "\uFEFF"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		var words []string
		var err error
		allocation.Check(t, len(command), func() { words, err = policy.SplitCommand(command) })
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			if strings.ContainsFunc(w, unicode.IsControl) {
				t.Fatalf("%q: control character in %q", command, w)
			}
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := policy.SplitCommand(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: expected %q, got %q, %v", command, words, again, err)
		}
	})
}

func FuzzParseProviders(f *testing.F) {
	for _, seed := range []string{
		"https://op.example.com client 24h\n", "https://op.example.com client oidc commitment=gq typ=at+jwt require=a:b acr=x max-auth-age=1h # c",
		"\uFEFFhttp://[::1] 'a b' 9d\r\n\r\n", `https://op.example.com c never require=\"https://x\":y`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var rows []pktoken.Provider
		var problems []policy.Problem
		allocation.Check(t, len(data), func() { rows, problems = policy.ParseProviders("providers", data) })
		if len(rows)+len(problems) > strings.Count(string(data), "\n")+1 {
			t.Fatalf("more rows than lines: %v, %v", rows, problems)
		}
		for _, row := range rows {
			if !strings.HasPrefix(row.Issuer, "https://") && !strings.HasPrefix(row.Issuer, "http://") || row.ClientID == "" || row.Expiry.MaxAge < 0 {
				t.Fatalf("bad row %+v", row)
			}
		}
	})
}

func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{
		"alice alice@example.com https://op.example.com\n\"ali\"ce 1234 https://op.example.com",
		"alice oidc:\"https://a/b\":c https://op.example.com from=\"10.0.0.0/8\",command=\"a \\\"b\\\"\",restrict # x",
		"\uFEFF alice repo:a/* https://x/api/actions\r\nal\\ice x\\\n'alice\nalice\x00", "# alice\n\talice\n'' x y", "älice x@y https://a",
	} {
		f.Add([]byte(seed), "alice")
	}
	f.Fuzz(func(t *testing.T, data []byte, principal string) {
		var rules []policy.Rule
		allocation.Check(t, len(data), func() { rules, _ = policy.ParseRules("auth_id", data) })
		for _, r := range rules {
			checkFiltered(t, data, r.Principal)
			checkRoundTrip(t, r)
			checkEmitted(t, r.Options)
		}
		checkFiltered(t, data, principal)
	})
}

// checkFiltered holds ParseRulesFor against ParseRules.
func checkFiltered(t *testing.T, data []byte, principal string) {
	t.Helper()
	all, allProblems := policy.ParseRules("auth_id", data)
	got, problems := policy.ParseRulesFor("auth_id", data, principal)
	want := slices.DeleteFunc(all, func(r policy.Rule) bool { return r.Principal != principal })
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q for %q: expected %+v, got %+v", data, principal, want, got)
	}
	for _, p := range problems {
		if !slices.Contains(allProblems, p) {
			t.Fatalf("%q for %q: a problem of its own: %v", data, principal, p)
		}
	}
}

func checkRoundTrip(t *testing.T, r policy.Rule) {
	t.Helper()
	again, problems := policy.ParseRules(r.File, []byte(r.String()))
	r.Line = 1
	if len(again) != 1 || !reflect.DeepEqual(again[0], r) {
		t.Fatalf("%+v becomes %q, and that %+v, %v", r, r, again, problems)
	}
}

// userKey stands behind the options where sshd reads a line.
const userKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZpCk6vUYMmJPQuFQBEQ53MPpCr6hTOfO0bmRmrUPgP"

// checkEmitted reads formatted options as sshd does, and expects what was formatted, and nothing that a rule must not grant.
func checkEmitted(t *testing.T, options []policy.Option) {
	t.Helper()
	text := policy.FormatOptions(options)
	if strings.ContainsFunc(text, unicode.IsControl) {
		t.Fatalf("control character in %q", text)
	}
	line, err := authorizedkeys.Parse(strings.TrimSpace(text + " " + userKey))
	if err != nil || line.KeyType+" "+base64.StdEncoding.EncodeToString(line.Key) != userKey {
		t.Fatalf("%+v becomes %q, and that %+v, %v", options, text, line, err)
	}
	want := make([]authorizedkeys.Option, len(options))
	for i, o := range options {
		want[i] = authorizedkeys.Option{Name: strings.ToLower(o.Name), Value: o.Value, HasValue: o.HasValue}
		if slices.Contains([]string{"cert-authority", "principals", "environment", "tunnel"}, want[i].Name) {
			t.Fatalf("%q: expected no option %s", text, o.Name)
		}
	}
	if !slices.Equal(line.Options, want) {
		t.Fatalf("%+v becomes %q, and that %+v", options, text, line.Options)
	}
}

// FuzzOption tries to smuggle something through the value of an option.
func FuzzOption(f *testing.F) {
	for _, seed := range []string{`x`, `a" ssh-ed25519 AAAA`, `a\`, `a\",pty,command="b`, "a\nb", `\"`, "10.0.0.0/8", "[::1]:80", "20300101Z", "a,b"} {
		for _, name := range []string{"from", "command", "expiry-time", "permitopen", "permitlisten", "PTY", "tunnel"} {
			f.Add(name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		quoted := fmt.Sprintf(`%s="%s"`, name, strings.ReplaceAll(value, `"`, `\"`))
		for _, options := range []string{quoted, name + "=" + value, name + `="` + value + `"`, name} {
			if rule, err := policy.NewRule("alice", "alice@example.com", op, options); err == nil {
				checkEmitted(t, rule.Options)
				checkRoundTrip(t, rule)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		"deny_emails: [a@b.c]\ndeny: [{claim: 'a:b'}]", "log: {to: auto}\n---\n", "a: &x [*x]", "<<: *a", "env_vars: {A: b}\nchain: ['/bin/x %u']",
		"revoked_before: {a@b.c: 2026-11-20T09:00:00Z}\nkey_cache: {ttl: 1d}\nhome_policy: false",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c *policy.Config
		var err error
		allocation.Check(t, len(data), func() { c, err = policy.ParseConfig("config.yml", data) })
		if (c == nil) == (err == nil) {
			t.Fatalf("%q: got %+v, %v", data, c, err)
		}
		if err != nil {
			return
		}
		for _, e := range slices.Concat(c.DenyEmails, c.DenyUsers) {
			if strings.TrimSpace(e.Name) == "" || e.Line == 0 {
				t.Fatalf("%q: empty entry %+v", data, c)
			}
		}
	})
}
