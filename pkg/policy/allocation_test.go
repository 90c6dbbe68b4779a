package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/policy"
)

// What is read of a host's files takes memory in proportion, whatever stands in them.
func TestAllocationOfRows(t *testing.T) {
	const row = "alice alice@example.com " + op
	inputs := map[string]allocation.Input{
		"rules":             {Part: allocation.Repeat(row + " no-pty\n")},
		"empty lines":       {Part: allocation.Repeat("\n")},
		"broken rows":       {Part: allocation.Repeat("'\n")},
		"one long word":     {Part: allocation.Repeat("a")},
		"words of one row":  {Part: allocation.Repeat("a ")},
		"quotes":            {Part: allocation.Repeat(`""`)},
		"backslashes":       {Part: allocation.Repeat(`\\`)},
		"many options":      {Before: row + " ", Part: allocation.Repeat(`permitopen="h:80",`), After: "no-pty"},
		"an unknown option": {Before: row + " ", Part: allocation.Repeat("a")},
		"a long value":      {Before: row + ` command="`, Part: allocation.Repeat(`\"`), After: `"`},
		"many patterns":     {Before: row + ` from="`, Part: allocation.Repeat("10.0.0.0/8,"), After: `::1"`},
		"commas":            {Before: row + ` from="`, Part: allocation.Repeat(","), After: `"`},
		"options of a provider": {Before: op + " client 24h ", Part: func(i int) string {
			return fmt.Sprintf("require=c%d:v ", i)
		}},
		"providers": {Part: allocation.Repeat(op + " client 24h # c\n")},
		"digits":    {Before: op + " client ", Part: allocation.Repeat("9"), After: "d"},
	}
	for name, parse := range map[string]func(data []byte){
		"rules":         func(data []byte) { policy.ParseRules("auth_id", data) },
		"rules for one": func(data []byte) { policy.ParseRulesFor("auth_id", data, "alice") },
		"providers":     func(data []byte) { policy.ParseProviders("providers", data) },
		"command":       func(data []byte) { _, _ = policy.SplitCommand(string(data)) },
		"options":       func(data []byte) { _, _ = policy.ParseOptions(string(data)) },
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, parse) })
	}
}

func TestAllocationOfYAML(t *testing.T) {
	aliases := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i <= 'z'; i++ {
		aliases += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", i-1), 9), ","))
	}
	inputs := map[string]allocation.Input{
		"aliases of aliases":    {Before: aliases, Part: allocation.Repeat("# \n")},
		"aliases":               {Before: "a: &a [", Part: allocation.Repeat("x,"), After: "]\nb: [*a,*a,*a,*a,*a,*a,*a,*a]\n"},
		"merges":                {Before: "a: &a {b: c}\n", Part: allocation.Repeat("<<: *a\n")},
		"anchors":               {Before: "a:\n", Part: func(i int) string { return fmt.Sprintf("- &a%d x\n", i) }},
		"deep brackets":         {Part: allocation.Repeat("[")},
		"deep braces":           {Part: allocation.Repeat("{a: ")},
		"deep blocks":           {Part: allocation.Repeat("- ")},
		"explicit keys":         {Part: allocation.Repeat("? ")},
		"commas":                {Before: "deny_emails: [", Part: allocation.Repeat(","), After: "]"},
		"emails":                {Before: "deny_emails: [", Part: func(i int) string { return fmt.Sprintf("a%d@b.c,", i) }, After: "]"},
		"revocations":           {Before: "revoked_before:\n", Part: func(i int) string { return fmt.Sprintf("  a%d: 2026-11-20T09:00:00Z\n", i) }},
		"entries":               {Before: "deny:\n", Part: allocation.Repeat("- {claim: a:b}\n")},
		"variables":             {Before: "env_vars:\n", Part: func(i int) string { return fmt.Sprintf("  A%d: b\n", i) }},
		"programs":              {Before: "chain:\n", Part: allocation.Repeat("- /bin/a %u\n")},
		"words of a program":    {Before: "chain:\n- /bin/a ", Part: allocation.Repeat("a ")},
		"members":               {Part: func(i int) string { return fmt.Sprintf("a%d: b\n", i) }},
		"a long name":           {Part: allocation.Repeat("a"), After: ": b\n"},
		"a long quoted text":    {Before: `a: "`, Part: allocation.Repeat(`\n`), After: `"`},
		"an open quote":         {Before: `a: "`, Part: allocation.Repeat("x\n ")},
		"quotes":                {Part: allocation.Repeat(`"`)},
		"a long block":          {Before: "a: |\n", Part: allocation.Repeat("  x\n")},
		"comments":              {Part: allocation.Repeat("#\n")},
		"documents":             {Part: allocation.Repeat("---\n")},
		"directives":            {Part: allocation.Repeat("%TAG ! a\n")},
		"expectations":          {Before: "tests:\n", Part: allocation.Repeat("- {user: root, issuer: google, sub: x, expect: deny}\n")},
		"claims of expectation": {Before: "tests:\n- user: root\n  claims:\n", Part: func(i int) string { return fmt.Sprintf("    c%d: [a]\n", i) }},
	}
	lock := policy.Lock{Kind: policy.LockEmail, Name: "mallory@example.com"}
	for name, parse := range map[string]func(data []byte){
		"config":       func(data []byte) { _, _ = policy.ParseConfig("config.yml", data) },
		"expectations": func(data []byte) { _, _ = policy.ParseExpectations("tests.yml", data) },
		"lock":         func(data []byte) { _, _ = policy.AddLock("config.yml", data, lock) },
		"unlock":       func(data []byte) { _, _ = policy.RemoveLock("config.yml", data, lock) },
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, parse) })
	}
}

// An edit of a file with many rows, and a look at what it says.
func TestAllocationOfEditsAndLint(t *testing.T) {
	rule := newRule(t, "bob bob@example.com "+op)
	allocation.Linear(t, map[string]allocation.Input{
		"rules":    {Part: allocation.Repeat("bob bob@example.com " + op + "\n")},
		"comments": {Part: allocation.Repeat("#\n")},
	}, func(data []byte) {
		if _, err := policy.AddRule("auth_id", data, rule); err != nil {
			t.Error(err)
		}
		policy.RemoveRules("auth_id", data, rule.Same)
		rules, _ := policy.ParseRules("auth_id", data)
		(&policy.Lint{Rules: rules}).Findings()
	})
}
