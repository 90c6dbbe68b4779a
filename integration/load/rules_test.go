package load_test

import (
	"fmt"
	"strings"
	"testing"

	"opkssh/integration/issuer"
)

const rules = 100_000

// TestRules: the rule that lets alice in is the last of a hundred thousand, a third of them rows of alice's for other people.
func TestRules(t *testing.T) {
	op := issuer.Start(t)
	h := startHost(t, op)
	var text strings.Builder
	for n := 1; n < rules; n++ {
		user := fmt.Sprintf("user%d", n)
		if n%3 == 0 {
			user = "alice"
		}
		_, _ = fmt.Fprintf(&text, "%s person%d@example.com %s\n", user, n, op.URL)
	}
	h.Write(t, "auth_id", text.String()+ruleOf(op.URL))
	wantIn(t, h, clientOf(t, h, op.Login(t, alice)))
	if line := h.LastRecord(t)["rule_line"]; line != float64(rules) {
		t.Errorf("expected line %d, got %v", rules, line)
	}
	// Nobody is let in by a rule for somebody else in the crowd.
	if r := clientOf(t, h, op.Login(t, alice)).SSH(t, "bob", "true"); r.ExitCode != 255 {
		t.Errorf("expected a refusal, got %+v", r)
	}
}
