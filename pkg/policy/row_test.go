package policy_test

import (
	"slices"
	"testing"

	"opkssh/pkg/policy"
)

func TestSplitCommand(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string // nil: an error
	}{
		{"a b\tc", []string{"a", "b", "c"}},
		{"  a  ", []string{"a"}},
		{`'a b' "c d"`, []string{"a b", "c d"}},
		{`a'b'"c"d`, []string{"abcd"}},
		{`a\ b`, []string{"a b"}},
		{`'a\b'`, []string{`a\b`}},
		{`"a\b"`, []string{`a\b`}},
		{`"a\"b\\c\$d\` + "`" + `"`, []string{`a"b\c$d` + "`"}},
		{`a\"b`, []string{`a"b`}},
		{`"it's" 'say "x"'`, []string{"it's", `say "x"`}},
		{`a ''`, []string{"a", ""}},
		{`a#b c#`, []string{"a#b", "c#"}},
		{`a #b c`, []string{"a"}},
		{`a '#b' \#c`, []string{"a", "#b", "#c"}},
		{`$HOME * ~ ; | & $(x)`, []string{"$HOME", "*", "~", ";", "|", "&", "$(x)"}},
		{"grüße", []string{"grüße"}},
		{"", nil},
		{"# a", nil},
		{`'a`, nil},
		{`"a`, nil},
		{`"a\"`, nil},
		{`a\`, nil},
		{"a\x00b", nil},
		{"a\nb", nil},
		{"'a\nb'", nil},
		{"'a\tb'", nil},
		{"a\\\tb", nil},
		{"a\x7f", nil},
		{"a\u0085b", nil},
		{"a\u2028b", nil},
		{"a\u2029b", nil},
		{"a\xffb", nil},
	} {
		got, err := policy.SplitCommand(test.in)
		if (err != nil) != (test.want == nil) || !slices.Equal(got, test.want) {
			t.Errorf("%q: expected %q, got %q, %v", test.in, test.want, got, err)
		}
	}
}

func TestLines(t *testing.T) {
	const row = "alice alice@example.com https://op.example.com"
	for _, test := range []struct {
		name, data string
		want       []int // the lines of the rules
	}{
		{"no newline at the end", row, []int{1}},
		{"LF", row + "\n\n" + row + "\n", []int{1, 3}},
		{"CRLF", row + "\r\n\r\n# comment\r\n" + row + "\r\n", []int{1, 4}},
		{"byte order mark", "\uFEFF" + row, []int{1}},
		{"byte order mark before a comment", "\uFEFF# comment\n" + row, []int{2}},
		{"indented", " \t" + row + " \t", []int{1}},
		{"comment behind", row + " # restrict", []int{1}},
		{"comment without blank", row + "#", nil}, // a fragment in the issuer
		{"carriage return inside", "alice\ralice@example.com https://op.example.com", nil},
		{"byte order mark inside", "\n\uFEFF" + row, nil},
	} {
		rules, problems := policy.ParseRules("auth_id", []byte(test.data))
		var got []int
		for _, r := range rules {
			got = append(got, r.Line)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: expected rules on lines %v, got %v, problems %v", test.name, test.want, got, problems)
		}
	}
}

func TestProblemSaysWhere(t *testing.T) {
	for _, test := range []struct {
		row    string
		column int
	}{
		{"alice", 1},
		{"  alice alice@example.com", 3},
		{"alice 'x https://op.example.com", 7},
		{"alice a\x01 https://op.example.com", 8},
		{"a,b alice@example.com https://op.example.com", 1},
		{"alice oidc: https://op.example.com", 7},
		{"alice alice@example.com ftp://op.example.com", 25},
		{"alice alice@example.com https://op.example.com restrict,nonsense", 57},
		{"alice alice@example.com https://op.example.com pty more", 52},
		{`alice alice@example.com https://op.example.com command="x`, 56},
		{`alice x\`, 8},
	} {
		rules, problems := policy.ParseRules("auth_id", []byte("\n"+test.row+"\n"))
		if len(rules) != 0 || len(problems) != 1 {
			t.Errorf("%q: got %v, %v", test.row, rules, problems)
			continue
		}
		p := problems[0]
		if p.File != "auth_id" || p.Line != 2 || p.Column != test.column || p.Detail == "" {
			t.Errorf("%q: expected column %d, got %v", test.row, test.column, p)
		}
	}
}
