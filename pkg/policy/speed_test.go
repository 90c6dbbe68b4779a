package policy_test

import (
	"bytes"
	"fmt"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// authIDOf has n rows of as many users; the last is alice's.
func authIDOf(n int) []byte {
	var b bytes.Buffer
	b.WriteString("# principal identity issuer\n")
	for i := range n - 1 {
		fmt.Fprintf(&b, "user%06d person%06d@example.com https://accounts.google.com\n", i, i)
	}
	b.WriteString("alice alice@example.com https://accounts.google.com\n")
	return b.Bytes()
}

func BenchmarkParseRulesFor(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		data := authIDOf(n)
		for _, user := range []string{"alice", "user000003"} {
			b.Run(fmt.Sprintf("%d/%s", n, user), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if rules, _ := policy.ParseRulesFor("auth_id", data, user); len(rules) != 1 {
						b.Fatalf("got %d rules", len(rules))
					}
				}
			})
		}
	}
}

func BenchmarkParseRules(b *testing.B) {
	data := authIDOf(100_000)
	b.ReportAllocs()
	for b.Loop() {
		policy.ParseRules("auth_id", data)
	}
}

// BenchmarkDecide goes by the last of 100 rules for the same user.
func BenchmarkDecide(b *testing.B) {
	v := pktokentest.NewIssuer(b, op, "ES256").Verified(b, pktokentest.UserKey(b), claims())
	rows := make([]string, 100)
	for i := range rows {
		rows[i] = fmt.Sprintf("root person%d@example.com %s", i, op)
	}
	rows[len(rows)-1] = "root alice@example.com " + op
	p := &policy.Policy{System: rulesOf(b, rows...)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Decide(v, policy.Request{User: "root"}); err != nil {
			b.Fatal(err)
		}
	}
}

// The work for rows of other users must not allocate, whatever their number.
func TestParseRulesForAllocatesForItsRowsAlone(t *testing.T) {
	allocations := func(n int) float64 {
		data := authIDOf(n)
		return testing.AllocsPerRun(10, func() { policy.ParseRulesFor("auth_id", data, "alice") })
	}
	if few, many := allocations(10), allocations(10_000); few != many {
		t.Errorf("10 rows: %v allocations, 10000 rows: %v", few, many)
	}
}
