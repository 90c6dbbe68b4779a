package policy_test

import (
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

func newRule(t *testing.T, row string) policy.Rule {
	t.Helper()
	rules, problems := policy.ParseRules("auth_id", []byte(row))
	if len(rules) != 1 || len(problems) != 0 {
		t.Fatalf("%q: expected one rule, got %v, %v", row, rules, problems)
	}
	return rules[0]
}

func TestAddRule(t *testing.T) {
	const row = "root alice@example.com https://op.example.com no-pty"
	for name, test := range map[string]struct{ before, after string }{
		"no file":           {"", row + "\n"},
		"comments stay":     {"# a\n\n  root b@example.com https://op.example.com # c\n", "# a\n\n  root b@example.com https://op.example.com # c\n" + row + "\n"},
		"no newline":        {"# a", "# a\n" + row + "\n"},
		"CRLF":              {"# a\r\n# b", "# a\r\n# b\r\n" + row + "\r\n"},
		"CR alone at end":   {"# a\r\n# b\r", "# a\r\n# b\r\n" + row + "\r\n"},
		"one LF among CRLF": {"# a\r\n# b\n", "# a\r\n# b\n" + row + "\r\n"},
		"mark":              {"\uFEFF# a\n", "\uFEFF# a\n" + row + "\n"},
		"a mark alone":      {"\uFEFF", "\uFEFF\n" + row + "\n"},
		"broken rows stay":  {"root \"\n\xff\n", "root \"\n\xff\n" + row + "\n"},
		"open quote at end": {"root \"", "root \"\n" + row + "\n"},
	} {
		got, err := policy.AddRule("auth_id", []byte(test.before), newRule(t, row))
		if err != nil || string(got) != test.after {
			t.Errorf("%s: expected %q, got %q, %v", name, test.after, got, err)
		}
	}
}

func TestRemoveRules(t *testing.T) {
	const file = "# a\n\nroot a@example.com https://op.example.com no-pty # mine\nbroken\nweb A@Example.com https://op.example.com\r\nweb sub https://op.example.com"
	ofIdentity := func(text string) func(policy.Rule) bool {
		return func(r policy.Rule) bool { return r.HasIdentity(text) }
	}
	for name, test := range map[string]struct {
		before  string
		remove  func(policy.Rule) bool
		after   string
		removed int
	}{
		"nothing":   {file, ofIdentity("b@example.com"), file, 0},
		"email":     {file, ofIdentity("a@EXAMPLE.com"), "# a\n\nbroken\nweb sub https://op.example.com", 2},
		"last line": {file, ofIdentity("sub"), strings.TrimSuffix(file, "web sub https://op.example.com"), 1},
		"same people, other options": {
			file, newRule(t, "root a@example.com https://op.example.com").SamePeople,
			strings.Replace(file, "root a@example.com https://op.example.com no-pty # mine\n", "", 1), 1,
		},
		"not the same":        {file, newRule(t, "root a@example.com https://op.example.com").Same, file, 0},
		"subjects are exact":  {file, ofIdentity("SUB"), file, 0},
		"no identity":         {file, ofIdentity(""), file, 0},
		"a mark on its line":  {"\uFEFFroot sub https://op.example.com\n# b\n", ofIdentity("sub"), "\uFEFF# b\n", 1},
		"a mark and no more":  {"\uFEFFroot sub https://op.example.com", ofIdentity("sub"), "\uFEFF", 1},
		"rows that are twice": {"a s https://op.example.com\na s https://op.example.com\n", ofIdentity("s"), "", 2},
	} {
		got, removed := policy.RemoveRules("auth_id", []byte(test.before), test.remove)
		if string(got) != test.after || len(removed) != test.removed {
			t.Errorf("%s: expected %q without %d, got %q without %v", name, test.after, test.removed, got, removed)
		}
	}
}

func TestSameRule(t *testing.T) {
	rule := newRule(t, "root a@example.com https://op.example.com no-pty")
	for row, want := range map[string][2]bool{ // same people, same
		"root A@EXAMPLE.COM https://op.example.com no-pty":                       {true, true},
		"root a@example.com https://op.example.com NO-PTY":                       {true, true},
		"root a@example.com https://op.example.com":                              {true, false},
		"Root a@example.com https://op.example.com no-pty":                       {false, false},
		"root a@example.com https://op.example.com/ no-pty":                      {false, false},
		"root oidc:email:a@example.com https://op.example.com no-pty":            {false, false},
		"root oidc-match-end:email:@example.com https://op.example.com no-pty":   {false, false},
		"root a@example.com https://op.example.com no-pty,from=\"192.0.2.0/24\"": {true, false},
	} {
		other := newRule(t, row)
		if got := [2]bool{rule.SamePeople(other), rule.Same(other)}; got != want {
			t.Errorf("%s: expected %v, got %v", row, want, got)
		}
	}
}

// What is added is there, once it is removed it is not, and nothing else has changed.
func FuzzEditRules(f *testing.F) {
	f.Add("# a\nroot a@example.com https://op.example.com\n", "root", "a@example.com", "no-pty")
	f.Add("\uFEFFroot \"\r\nx", "web", "oidc:groups:a b", "")
	f.Add("a 'b", `EXAMPLE\bob`, "it's", `command="echo \"a b\" # c",restrict`)
	f.Add("", "#", "#", `from="10.0.0.0/8,!10.1.0.0/16"`)
	f.Fuzz(func(t *testing.T, text, principal, identity, options string) {
		rule, err := policy.NewRule(principal, identity, "https://op.example.com", options)
		if err != nil {
			return
		}
		before, problems := policy.ParseRules("auth_id", []byte(text))
		added, err := policy.AddRule("auth_id", []byte(text), rule)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !strings.HasPrefix(string(added), text) {
			t.Fatalf("%q: expected more of the same, got %q", text, added)
		}
		after, stillProblems := policy.ParseRules("auth_id", added)
		if len(after) != len(before)+1 || !after[len(before)].Same(rule) || len(problems) != len(stillProblems) {
			t.Fatalf("%q: expected one rule more, got %v", added, after)
		}
		if got := after[len(before)]; got.Principal != principal || !got.HasIdentity(identity) || !slices.Equal(got.Options, rule.Options) {
			t.Fatalf("%q: expected %q, %q and %v, got %v", added, principal, identity, rule.Options, got)
		}
		left, removed := policy.RemoveRules("auth_id", added, rule.Same)
		rest, lastProblems := policy.ParseRules("auth_id", left)
		want := slices.DeleteFunc(before, rule.Same)
		if len(removed)+len(want) != len(after) || !slices.EqualFunc(rest, want, policy.Rule.Same) || len(lastProblems) != len(problems) {
			t.Fatalf("%q: expected %v, got %v", left, want, rest)
		}
		// The last line may have got an end.
		if end, kept := strings.CutPrefix(string(left), text); len(removed) == 1 && (!kept || strings.Trim(end, "\r\n") != "") {
			t.Fatalf("%q: expected it back, got %q", text, left)
		}
	})
}
