package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// TestLintAgreesWithDecide: a rule that is said to let nobody in, or never to decide, never does; and one that is never said so
// decides for somebody.
func TestLintAgreesWithDecide(t *testing.T) {
	const other = "https://other.example.com"
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	var people []*pktoken.Verified
	for _, c := range []map[string]any{
		claims(), claims("email", "bob@eu.example.com", "sub", "5678"), claims("email", "ALICE@EXAMPLE.COM", "groups", []string{"dev", "ops"}),
		claims("email", nil, "sub", "9"), claims("email_verified", false), claims("email", "carol@example.net", "groups", "dev"),
	} {
		people = append(people, issuer.Verified(t, user, c))
	}
	identities := []string{
		"alice@example.com", "Alice@Example.com", "bob@eu.example.com", "oidc-match-end:email:@example.com", "oidc-match-end:email:.example.com",
		"oidc-match-end:email:@EU.example.com", "1234", "oidc:sub:1234", "5678", "oidc:groups:dev", "oidc:email:alice@example.com", "carol@example.net",
	}
	issuers := []string{op, op, op, op, op + "/", strings.ToUpper("https") + "://op.example.com", other}
	options := []string{"", "", "", "no-pty", `from="10.0.0.0/8"`, `expiry-time="20200101"`, `expiry-time="20300101"`}
	dead := map[policy.FindingCode]bool{
		policy.FindingUnknownIssuer: true, policy.FindingIssuerNearMiss: true, policy.FindingDuplicateRule: true, policy.FindingShadowedRule: true,
		policy.FindingCoveredRule: true, policy.FindingExpiredRule: true,
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	rows, _ := policy.ParseProviders("p", []byte(op+" "+pktokentest.ClientID+" 24h"))
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		pick := func(of []string) string { return of[random.IntN(len(of))] }
		var file strings.Builder
		for range 1 + random.IntN(8) {
			_, _ = fmt.Fprintf(&file, "%s %s %s %s\n", pick([]string{"dev", "root"}), pick(identities), pick(issuers), pick(options))
		}
		rules, _ := policy.ParseRules("r", []byte(file.String()))
		config := configOf(t, pick([]string{"", "", "require_email_verified: true"}))
		said := map[int]policy.FindingCode{}
		for _, f := range (&policy.Lint{Config: config, Providers: rows, Rules: rules, Now: now}).Findings() {
			if f.File == "r" && dead[f.Code] {
				said[f.Line] = f.Code
			}
		}
		p := &policy.Policy{Config: config, System: rules}
		for _, who := range people {
			for _, as := range []string{"dev", "root"} {
				d, err := p.Decide(who, policy.Request{User: as, Now: now})
				if err != nil {
					continue
				}
				if code, isSaid := said[d.Rule.Line]; isSaid {
					t.Fatalf("seed %d: line %d was called %s, and lets %s in as %s:\n%s", seed, d.Rule.Line, code, who.Email(), as, file.String())
				}
			}
		}
	}
}
