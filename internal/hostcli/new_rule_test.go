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
