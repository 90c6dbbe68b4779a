package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"opkssh/pkg/policy"
)

func FuzzSplitCommand(f *testing.F) {
	for _, seed := range []string{`a "b c" 'd' \e # f`, `"\`, "'", "a\x00", `"\"\\\$\x"`, "\uFEFF"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		words, err := policy.SplitCommand(command)
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
		rows, problems := policy.ParseProviders("providers", data)
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
		rules, _ := policy.ParseRules("auth_id", data)
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

// checkEmitted reads formatted options as sshd does, and expects what was formatted.
func checkEmitted(t *testing.T, options []policy.Option) {
	t.Helper()
	text := policy.FormatOptions(options)
	var got []policy.Option
	for rest := text; rest != ""; {
		end := strings.IndexAny(rest, `=,`)
		if end < 0 {
			end = len(rest)
		}
		o := policy.Option{Name: rest[:end]}
		rest = rest[end:]
		if strings.HasPrefix(rest, `="`) {
			o.HasValue = true
			for rest = rest[2:]; rest != "" && rest[0] != '"'; rest = rest[1:] {
				if strings.HasPrefix(rest, `\"`) {
					rest = rest[1:]
				}
				o.Value += rest[:1]
			}
			if rest == "" {
				t.Fatalf("%q: a quote is never closed", text)
			}
			rest = rest[1:]
		}
		got = append(got, o)
		if rest != "" && rest[0] != ',' {
			t.Fatalf("%q: no comma before %q", text, rest)
		}
		rest = strings.TrimPrefix(rest, ",")
	}
	if !slices.Equal(got, options) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Fatalf("%+v becomes %q, and that %+v", options, text, got)
	}
	names := []string{"restrict", "from", "command", "expiry-time", "permitopen", "permitlisten"}
	for _, o := range got {
		name := strings.TrimPrefix(o.Name, "no-")
		if !slices.Contains(names, name) && !slices.Contains([]string{"agent-forwarding", "port-forwarding", "pty", "user-rc", "X11-forwarding"}, name) {
			t.Fatalf("%q: unknown option %s", text, o.Name)
		}
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
		c, err := policy.ParseConfig("config.yml", data)
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
