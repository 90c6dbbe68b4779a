package hostcli

import (
	"strings"
	"testing"
	"time"

	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// TestNewRuleAmongOthers: a rule of auth_id stands in front of those of auth_id.d, and a home rule behind all of the host's.
func TestNewRuleAmongOthers(t *testing.T) {
	const at = " https://op.example.com"
	for _, test := range []struct {
		name          string
		home          bool
		file, dropIn  string // the rows that are there
		row           string // the new one
		refused, says string
	}{
		{"limits behind a wider rule of the file", false, "dev oidc-match-end:email:@example.com" + at, "", "dev a@example.com" + at + " no-pty", "its limits never apply", ""},
		{"limits that are lost already", false, "dev oidc-match-end:email:@example.com" + at + "\ndev a@example.com" + at + " no-pty", "", "dev oidc:groups:x" + at, "", ""},
		{"limits in front of a drop-in", false, "", "dev oidc-match-end:email:@example.com" + at, "dev a@example.com" + at + " no-pty", "", ""},
		{"limits of a drop-in", false, "", "dev a@example.com" + at + " no-pty", "dev oidc-match-end:email:@example.com" + at, "auth_id.d/a.conf:1: its limits never apply", ""},
		{"no limits of a drop-in", false, "", "dev a@example.com" + at, "dev oidc-match-end:email:@example.com" + at, "", ""},
		{"limits of a home rule", true, "", "dev oidc-match-end:email:@example.com" + at, "dev a@example.com" + at + " no-pty", "its limits never apply", ""},
		{"a home rule behind limits", true, "", "dev a@example.com" + at + " no-pty", "dev oidc-match-end:email:@example.com" + at, "", ""},
		{"a home rule that the host has", true, "", "dev a@example.com" + at, "dev a@example.com" + at, "", "duplicate-rule"},
		{"a wider rule that cannot be trusted", true, "", "!dev oidc-match-end:email:@example.com" + at, "dev a@example.com" + at, "", ""},
		{"other options in front", false, "dev a@example.com" + at, "", "dev a@example.com" + at + " no-pty", "auth_id:1: a rule for the same people is there", ""},
		{"in front of other options", false, "", "dev a@example.com" + at, "dev a@example.com" + at + " no-pty", "", "shadowed-rule"},
		{"in front of other limits", false, "", "dev a@example.com" + at + " no-pty", "dev a@example.com" + at, "auth_id.d/a.conf:1: its limits never apply", ""},
		{"limits that cannot be trusted", false, "", "!dev a@example.com" + at + " no-pty", "dev a@example.com" + at, "", ""},
	} {
		columns := strings.SplitN(test.row, " ", 4)
		options := strings.Join(columns[3:], "")
		rule, err := policy.NewRule(columns[0], columns[1], columns[2], options)
		if err != nil {
			t.Fatal(err)
		}
		inFile, _ := policy.ParseRules("auth_id", []byte(test.file))
		dropIn, doubtful := strings.CutPrefix(test.dropIn, "!")
		others, _ := policy.ParseRules("auth_id.d/a.conf", []byte(dropIn))
		if doubtful {
			others[0].Doubt = "somebody else could have written it"
		}
		path := "auth_id"
		host := &sshauth.Configuration{Policy: &policy.Policy{System: append(inFile, others...)}}
		if test.home {
			path, host.Policy.System = "/home/dev/.opk/auth_id", others
		}
		n := &newRule{Rule: rule, host: host, home: test.home, now: time.Now()}
		_, err = n.edit(path, []byte(test.file))
		if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: expected %q, got %v", test.name, test.refused, err)
		}
		says := ""
		for _, f := range n.findings {
			says += string(f.Code)
		}
		if says != test.says {
			t.Errorf("%s: expected %q, got %+v", test.name, test.says, n.findings)
		}
	}
}

// TestNewRuleThatIsThere: "already there" is said of a rule that decides, and of no other.
func TestNewRuleThatIsThere(t *testing.T) {
	const row = "dev a@example.com https://op.example.com"
	parse := func(file, row string) policy.Rule {
		rules, problems := policy.ParseRules(file, []byte(row))
		if len(problems) > 0 || len(rules) != 1 {
			t.Fatal(rules, problems)
		}
		return rules[0]
	}
	same, other, another := parse("auth_id.d/b.conf", row), parse("auth_id.d/a.conf", row+" no-pty"), parse("auth_id.d/a.conf", "dev b@example.com https://op.example.com")
	expired := parse("auth_id.d/a.conf", row+` expiry-time="20200101Z"`)
	doubtful := func(r policy.Rule) policy.Rule {
		r.Doubt = "somebody else could have written it"
		return r
	}
	for _, test := range []struct {
		name  string
		rules []policy.Rule
		there bool
	}{
		{"none", nil, false},
		{"the same", []policy.Rule{same}, true},
		{"the same, not to be trusted", []policy.Rule{doubtful(same)}, false},
		{"the same behind others", []policy.Rule{another, doubtful(another), expired, same}, true},
		{"the same behind one with other options", []policy.Rule{other, same}, false},
		{"the same behind one that is not to be trusted", []policy.Rule{doubtful(other), same}, false},
		{"the same behind a file that cannot be read", []policy.Rule{doubtful(policy.Rule{File: "auth_id.d/a.conf"}), same}, false},
	} {
		n := &newRule{Rule: parse("", row), host: &sshauth.Configuration{Policy: &policy.Policy{System: test.rules}}, now: time.Now()}
		if there, err := n.standsIn("auth_id", test.rules, test.rules); err != nil || there != test.there {
			t.Errorf("%s: expected %v, got %v, %v", test.name, test.there, there, err)
		}
	}
}
