package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// A generated case: words of a small vocabulary, so that rules, deny entries and tokens often meet.
type generatedRule struct{ user, kind, value, issuer, options string }

func (g generatedRule) row() string {
	identity := map[string]string{
		"email": g.value + "@example.com", "EMAIL": strings.ToUpper(g.value) + "@Example.com", "sub": g.value,
		"group": "oidc:groups:" + g.value, "suffix": "oidc-match-end:email:@" + g.value + ".org",
	}[g.kind]
	return strings.TrimSpace(strings.Join([]string{g.user, identity, g.issuer, g.options}, " "))
}

type person struct {
	sub, email string
	groups     []string
	verified   bool
}

// fits says of a rule, in other words than the package does, whether it lets the person in.
func (g generatedRule) fits(p person, user, issuer string, requireVerified bool) bool {
	if g.user != user || g.issuer != issuer || strings.Contains(g.options, "2020") {
		return false
	}
	switch g.kind {
	case "sub":
		return p.sub == g.value
	case "group":
		return slices.Contains(p.groups, g.value)
	case "suffix":
		return strings.HasSuffix(strings.ToLower(p.email), "@"+g.value+".org") && (p.verified || !requireVerified)
	default:
		return strings.ToLower(p.email) == g.value+"@example.com" && (p.verified || !requireVerified)
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func generateRules(r *rand.Rand) []generatedRule {
	rules := make([]generatedRule, r.IntN(6))
	for i := range rules {
		rules[i] = generatedRule{
			user: pick(r, "root", "web"), kind: pick(r, "email", "EMAIL", "sub", "group", "suffix"), value: pick(r, "a", "b", "c"),
			issuer: pick(r, op, op, "https://other.example.com"), options: pick(r, "", "", "restrict", `expiry-time="20200101"`, `command="x, y"`),
		}
	}
	return rules
}

func rowsOf(rules []generatedRule) (rows []string) {
	for _, g := range rules {
		rows = append(rows, g.row())
	}
	return rows
}

// people are the tokens of the cases; making one takes longer than deciding on it.
func people(t *testing.T) (tokens []*pktoken.Verified, who []person) {
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	user := pktokentest.UserKey(t)
	for _, sub := range []string{"a", "b"} {
		for _, email := range []string{"a@example.com", "B@EXAMPLE.com", "x@c.org", ""} {
			for _, groups := range [][]string{nil, {"b", "c"}} {
				p := person{sub, email, groups, len(tokens)%3 != 0}
				c := map[string]any{"sub": sub, "groups": groups, "email_verified": p.verified}
				if email != "" {
					c["email"] = email
				}
				tokens, who = append(tokens, issuer.Verified(t, user, c)), append(who, p)
			}
		}
	}
	return tokens, who
}

func TestDecideAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	tokens, who := people(t)
	allowed := 0
	for range 5000 {
		system, home := generateRules(r), generateRules(r)
		deny := pick(r, "", "", "deny_users: [web]", "deny_emails: [b@example.com]", "deny: [{claim: 'groups:c'}]", "deny: [{sub: a, issuer: "+op+"}]")
		require := r.IntN(2) == 0
		p := policy.Policy{
			Config: configOf(t, fmt.Sprintf("require_email_verified: %v\n%s", require, deny)),
			System: rulesOf(t, rowsOf(system)...), Home: rulesOf(t, rowsOf(home)...),
		}
		i, user := r.IntN(len(tokens)), pick(r, "root", "web", "nobody")

		me := who[i]
		denied := deny == "deny_users: [web]" && user == "web" ||
			strings.Contains(deny, "b@example.com") && me.email == "B@EXAMPLE.com" ||
			strings.Contains(deny, "groups:c") && me.groups != nil || strings.Contains(deny, "sub: a") && me.sub == "a"
		want := -1
		all := slices.Concat(system, home)
		for n, g := range all {
			if g.fits(me, user, op, require) && !denied {
				want = n
				break
			}
		}

		d, err := p.Decide(tokens[i], policy.Request{User: user, Now: now})
		switch {
		case (err == nil) != (want >= 0):
			t.Fatalf("%v\n%v\n%s, require %v\n%+v as %s: expected rule %d, got %+v, %v", rowsOf(system), rowsOf(home), deny, require, me, user, want, d, err)
		case err == nil && policy.FormatOptions(d.Options) != all[want].options:
			t.Fatalf("expected the options %q, got %v", all[want].options, d.Options)
		case err == nil:
			allowed++
		}
	}
	if allowed < 200 {
		t.Errorf("only %d of the cases allow: they say little", allowed)
	}
}

// Whatever the rules and the rest of config.yml are, one entry that names the person, the key or the user denies.
func TestDenyAlwaysWins(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tokens, who := people(t)
	for range 2000 {
		i, user := r.IntN(len(tokens)), pick(r, "root", "web")
		rows := append(rowsOf(generateRules(r)), user+" "+who[i].sub+" "+op)
		entries := map[policy.Reason]string{
			policy.ReasonDeniedUser:    "deny_users: [x, " + user + "]",
			policy.ReasonDeniedSubject: "deny: [{sub: x, issuer: " + op + "}, {sub: " + who[i].sub + ", issuer: " + op + "}]",
			policy.ReasonDeniedKey:     "deny: [{key: " + fingerprint + "}]",
			policy.ReasonRevoked:       "revoked_before: {" + who[i].sub + ": 2999-01-01T00:00:00Z}",
		}
		if who[i].email != "" {
			entries[policy.ReasonDeniedEmail] = "deny_emails: [x@y.z, " + who[i].email + "]"
		}
		if who[i].groups != nil {
			entries[policy.ReasonDeniedClaim] = "deny: [{claim: 'groups:b'}]"
		}
		for want, entry := range entries {
			p := policy.Policy{Config: configOf(t, entry), System: rulesOf(t, rows...), Home: rulesOf(t, rows...)}
			d, err := p.Decide(tokens[i], policy.Request{User: user, KeyFingerprint: "SHA256:x", CertificateFingerprint: fingerprint})
			if got := reasonOf(t, d, err); got != want {
				t.Fatalf("%v\n%s\n%+v: expected %s, got %v", rows, entry, who[i], want, err)
			}
		}
	}
}

// A broken row between good ones changes nothing but the lines of those behind it.
func TestBrokenRowChangesNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	alphabet := []string{"root", "web", " ", "\t", `"`, "'", `\`, "#", ",", "a@example.com", "oidc:", "repo:*", op, "command=", "restrict", "\x00", "\r", "\xff", "\u2028"}
	for range 5000 {
		rows := append(rowsOf(generateRules(r)), "root a@example.com "+op)
		var broken strings.Builder
		for range r.IntN(12) {
			broken.WriteString(pick(r, alphabet...))
		}
		if rules, _ := policy.ParseRules("", []byte(broken.String())); len(rules) != 0 {
			continue
		}
		at := r.IntN(len(rows) + 1)
		want := rulesOf(t, slices.Insert(slices.Clone(rows), at, "")...)
		with := []byte(strings.Join(slices.Insert(slices.Clone(rows), at, broken.String()), "\n"))
		got, _ := policy.ParseRules("auth_id", with)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q: expected %v, got %v", with, want, got)
		}
		for i := range got {
			if got[i].Line != want[i].Line {
				t.Fatalf("%q: expected line %d, got %d", with, want[i].Line, got[i].Line)
			}
		}
		for _, user := range []string{"root", "web"} {
			checkFiltered(t, with, user)
		}
	}
}
