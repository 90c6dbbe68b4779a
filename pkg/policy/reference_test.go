package policy_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// The cases are made of a small vocabulary, so that rules, entries and tokens often meet. The reference decides on their text, in other
// words than the package does.

// otherFingerprint is of a key that no entry names.
const otherFingerprint = "SHA256:x"

// person is whom a token is about.
type person struct {
	issuer   string
	job      bool // of CI, with the commitment in `aud`
	claims   map[string]any
	userinfo map[string]any
	issued   time.Time
}

// people are the tokens of the cases; making one takes longer than deciding on it.
func people(t *testing.T) (tokens []*pktoken.Verified, who []person) {
	t.Helper()
	user := pktokentest.UserKey(t)
	add := func(v *pktoken.Verified, p person) {
		p.issued = v.IssuedAt()
		tokens, who = append(tokens, v), append(who, p)
	}
	issuer := pktokentest.NewIssuer(t, op, "ES256")
	for _, email := range []any{
		"a@example.com", "B@EXAMPLE.com", "x@c.org", "@c.org", "a@example.com ", "K@example.com", "\u212a@example.com", "s@k.example", "\u017f@example.com",
		"s@\u212a.example", []any{"a@example.com", "b@example.com"}, nil,
	} {
		for n, groups := range [][]any{nil, {"b", "c"}} {
			c := map[string]any{"sub": []string{"a", "b", "b@example.com"}[len(tokens)%3], "level": 3, "admin": n == 0}
			if email != nil {
				c["email"] = email
			}
			if groups != nil {
				c["groups"] = groups
			}
			if n := len(tokens) % 4; n < 3 {
				c["email_verified"] = n != 0
			}
			add(issuer.Verified(t, user, c), person{issuer: op, claims: c})
		}
	}
	c, userinfo := map[string]any{"sub": "a", "email": "x@c.org"}, map[string]any{"sub": "a", "email": "b@example.com", "groups": []any{"c"}}
	with, err := issuer.Verified(t, user, c).WithUserinfo(userinfo)
	if err != nil {
		t.Fatal(err)
	}
	add(with, person{issuer: op, claims: c, userinfo: userinfo})
	ci := pktokentest.NewIssuer(t, github, "RS256")
	for _, sub := range []string{
		"repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/a/b", "repo:acme/web:ref:refs/heads/main", "repo:evil/app:ref:refs/heads/main",
	} {
		add(job(t, ci, sub), person{issuer: github, job: true, claims: map[string]any{"sub": sub}})
	}
	// Of a row with commitment=nonce.
	c = map[string]any{"sub": "repo:acme/app:ref:refs/heads/main", "email": "a@example.com"}
	add(ci.Verified(t, user, c), person{issuer: github, claims: c})
	return tokens, who
}

// lower knows the letters of ASCII alone.
func lower(s string) string {
	const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := []byte(s)
	for i, c := range b {
		if n := strings.IndexByte(capitals, c); n >= 0 {
			b[i] = "abcdefghijklmnopqrstuvwxyz"[n]
		}
	}
	return string(b)
}

// values are those of a claim, in text.
func values(claim any) (texts []string) {
	several, ok := claim.([]any)
	if !ok && claim != nil {
		several = []any{claim}
	}
	for _, v := range several {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// claim is what rules see: userinfo adds to the ID token.
func (p person) claim(name string) []string {
	if _, there := p.claims[name]; there {
		return values(p.claims[name])
	}
	return values(p.userinfo[name])
}

// anyClaim is what entries see: what either says.
func (p person) anyClaim(name string) []string {
	return append(values(p.claims[name]), values(p.userinfo[name])...)
}

// knownAs is whether an address is one of the person's.
func (p person) knownAs(name string) bool {
	if !strings.Contains(name, "@") {
		return false
	}
	return slices.ContainsFunc(append(p.anyClaim("email"), p.anyClaim("sub")...), func(own string) bool {
		return lower(strings.TrimSpace(own)) == lower(name)
	})
}

func (p person) email() string {
	one, _ := p.claims["email"].(string)
	return one
}

func (p person) is(identity string) bool {
	email := lower(p.email())
	if pattern, found := strings.CutPrefix(identity, "repo:"); found {
		return p.job && globMatches("repo:"+pattern, p.claim("sub")[0])
	}
	if suffix, found := strings.CutPrefix(identity, "oidc-match-end:email:"); found {
		return len(email) > len(suffix) && strings.HasSuffix(email, lower(suffix))
	}
	if claim, found := strings.CutPrefix(identity, "oidc:"); found {
		name, value, _ := strings.Cut(claim, ":")
		return slices.Contains(p.claim(name), value)
	}
	if strings.Contains(identity, "@") {
		return email == lower(identity)
	}
	return p.claim("sub")[0] == identity
}

// globMatches compares part by part: no wildcard stands for a slash.
func globMatches(pattern, name string) bool {
	parts := strings.Split(name, "/")
	patterns := strings.Split(pattern, "/")
	if len(parts) != len(patterns) {
		return false
	}
	for i := range parts {
		expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(patterns[i]))
		if !regexp.MustCompile("^" + expression + "$").MatchString(parts[i]) {
			return false
		}
	}
	return true
}

type generatedRule struct{ user, identity, issuer, options string }

func (g generatedRule) row() string {
	return strings.TrimSpace(strings.Join([]string{g.user, g.identity, g.issuer, g.options}, " "))
}

// reason is why the rule does not let the person in, or "".
func (g generatedRule) reason(p person, user string, requireVerified bool) policy.Reason {
	byEmail := strings.HasPrefix(g.identity, "oidc:email:") || strings.HasPrefix(g.identity, "oidc-match-end:") ||
		strings.Contains(g.identity, "@") && !strings.HasPrefix(g.identity, "oidc:")
	switch {
	case g.user != user || g.issuer != p.issuer || !p.is(g.identity):
		return policy.ReasonNoRule
	case strings.Contains(g.options, "2020"):
		return policy.ReasonRuleExpired
	case byEmail && requireVerified && p.claims["email_verified"] != true:
		return policy.ReasonEmailNotVerified
	}
	return ""
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func generateRules(r *rand.Rand) []generatedRule {
	rules := make([]generatedRule, r.IntN(6))
	for i := range rules {
		issuer := pick(r, op, op, op, github, "https://other.example.com")
		identities := []string{
			"a@example.com", "B@Example.com", "b@example.com", "k@example.com", "S@example.com", "\u212a@example.com", "\u017f@example.com",
			"oidc-match-end:email:@c.org", "oidc-match-end:email:@K.example", "a", "b", "c",
			"oidc:groups:b", "oidc:groups:c", "oidc:sub:b@example.com", "oidc:email:a@example.com", "oidc:level:3", "oidc:admin:true",
		}
		if issuer == github {
			identities = []string{
				"repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/*", "repo:acme/*:ref:refs/heads/main", "repo:acme/a?p:ref:*/heads/m*",
				"repo:acme/*", "repo:ACME/app:ref:refs/heads/main", "oidc:sub:repo:acme/app:ref:refs/heads/main", "a@example.com",
			}
		}
		rules[i] = generatedRule{
			user: pick(r, "root", "web"), identity: pick(r, identities...), issuer: issuer,
			options: pick(r, "", "", "restrict", `expiry-time="20200101"`, `expiry-time="20990101",no-pty`, `command="x, y"`),
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

// generatedEntry keeps people out: a name, or a claim with its value, in a list of config.yml.
type generatedEntry struct {
	list, name, value, issuer string
	before                    time.Time
}

func generateEntries(r *rand.Rand, issued time.Time) []generatedEntry {
	var all []generatedEntry
	for range r.IntN(3) {
		e := generatedEntry{list: pick(r, "deny_users", "deny_emails", "sub", "claim", "key", "revoked_before")}
		switch e.list {
		case "deny_users":
			e.name = pick(r, "root", "web", "ROOT", "x")
		case "deny_emails":
			e.name = pick(r, "b@example.com", "A@example.com", "k@example.com", "\u017f@example.com", "x@c.org")
		case "sub":
			e.name, e.issuer = pick(r, "a", "b", "c"), pick(r, op, github)
		case "claim":
			e.name, e.issuer = pick(r, "groups", "sub", "level", "email"), pick(r, "", op, github)
			e.value = pick(r, "b", "c", "3", "a@example.com", "K@EXAMPLE.com")
		case "key":
			e.name = fingerprint
		case "revoked_before":
			e.name = pick(r, "a", "b", "b@example.com", "A@EXAMPLE.com", "k@example.com")
			e.before = issued.Add(pick(r, -time.Hour, -time.Second, 0, time.Second))
		}
		// Each list is there once, and so is each name in it.
		if !slices.ContainsFunc(all, func(other generatedEntry) bool { return other.list == e.list && other.name == e.name }) {
			all = append(all, e)
		}
	}
	return all
}

// configText puts entries into config.yml.
func configText(entries []generatedEntry) string {
	lists := map[string]string{}
	for _, e := range entries {
		switch e.list {
		case "deny_users", "deny_emails":
			lists[e.list] += "- " + e.name + "\n"
		case "revoked_before":
			lists[e.list] += "  " + e.name + ": " + e.before.UTC().Format(time.RFC3339) + "\n"
		default:
			text := e.list + ": '" + e.name
			if e.list == "claim" {
				text += ":" + e.value
			}
			text += "'"
			if e.issuer != "" {
				text += ", issuer: " + e.issuer
			}
			lists["deny"] += "- {" + text + "}\n"
		}
	}
	var text strings.Builder
	for _, name := range []string{"deny_users", "deny_emails", "deny", "revoked_before"} {
		if lists[name] != "" {
			text.WriteString(name + ":\n" + lists[name])
		}
	}
	return text.String()
}

// reason is why the entry keeps the person out, or "".
func (e generatedEntry) reason(p person, r policy.Request) policy.Reason {
	here := e.issuer == "" || e.issuer == p.issuer
	switch {
	case e.list == "deny_users" && strings.EqualFold(e.name, r.User):
		return policy.ReasonDeniedUser
	case e.list == "deny_emails" && p.knownAs(e.name):
		return policy.ReasonDeniedEmail
	case e.list == "sub" && here && slices.Contains(p.anyClaim("sub"), e.name):
		return policy.ReasonDeniedSubject
	case e.list == "claim" && here && (slices.Contains(p.anyClaim(e.name), e.value) || e.name == "email" && p.knownAs(e.value)):
		return policy.ReasonDeniedClaim
	case e.list == "key" && (r.KeyFingerprint == "" || e.name == r.KeyFingerprint || e.name == r.CertificateFingerprint):
		return policy.ReasonDeniedKey
	case e.list == "revoked_before" && (p.knownAs(e.name) || slices.Contains(p.anyClaim("sub"), e.name)) && !p.issued.After(e.before):
		return policy.ReasonRevoked
	}
	return ""
}

// inOrder are the lists as they are looked at: those of deny are one.
var inOrder = [][]string{{"deny_users"}, {"deny_emails"}, {"sub", "claim", "key"}, {"revoked_before"}}

// reference gives the place of the rule that lets somebody in, or the reason why none does. Rules from doubted on are of a file that is
// not to be trusted.
func reference(rules []generatedRule, doubted int, entries []generatedEntry, requireVerified bool, p person, r policy.Request) (int, policy.Reason) {
	for _, lists := range inOrder {
		for _, e := range entries {
			if reason := e.reason(p, r); reason != "" && slices.Contains(lists, e.list) {
				return -1, reason
			}
		}
	}
	// From the furthest to the nearest.
	reasons := []policy.Reason{policy.ReasonNoRule, policy.ReasonRuleExpired, policy.ReasonEmailNotVerified}
	nearest := 0
	for n, g := range rules {
		switch reason := g.reason(p, r.User, requireVerified); {
		case reason == "" && n >= doubted:
			return -1, policy.ReasonRuleUntrusted
		case reason == "":
			return n, ""
		default:
			nearest = max(nearest, slices.Index(reasons, reason))
		}
	}
	return -1, reasons[nearest]
}

func TestDecideAgainstReference(t *testing.T) {
	const homeFile = "/home/web/.opk/auth_id"
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	tokens, who := people(t)
	seen := map[policy.Reason]int{}
	for range 20_000 {
		i := r.IntN(len(tokens))
		system, home := generateRules(r), generateRules(r)
		entries := generateEntries(r, who[i].issued)
		require := r.IntN(2) == 0
		config := fmt.Sprintf("require_email_verified: %v\n%s", require, configText(entries))
		p := policy.Policy{Config: configOf(t, config), System: rulesOf(t, rowsOf(system)...), Home: rulesOf(t, rowsOf(home)...)}
		all, doubted := slices.Concat(system, home), len(system)+len(home)
		doubt := ""
		if r.IntN(8) == 0 {
			doubted, doubt = len(system), "anybody could have written it"
		}
		for n := range p.Home {
			p.Home[n].File, p.Home[n].Doubt = homeFile, doubt
		}
		request := policy.Request{
			User: pick(r, "root", "web", "nobody"), KeyFingerprint: pick(r, "", fingerprint, otherFingerprint, otherFingerprint),
			CertificateFingerprint: pick(r, fingerprint, otherFingerprint, otherFingerprint), Now: now,
		}
		rule, reason := reference(all, doubted, entries, require, who[i], request)

		d, err := p.Decide(tokens[i], request)
		got := reasonOf(t, d, err)
		seen[got]++
		problem := func(want, got any) {
			t.Helper()
			t.Fatalf("%q\n%q\n%s\n%+v as %+v: expected %v, got %v, %v", rowsOf(system), rowsOf(home), config, who[i], request, want, got, err)
		}
		switch {
		case got != reason:
			problem(reason, got)
		case err != nil:
		case rule < len(system) && (d.Rule.File == homeFile || d.Rule.Line != rule+1),
			rule >= len(system) && (d.Rule.File != homeFile || d.Rule.Line != rule-len(system)+1):
			problem(all[rule], d.Rule)
		default:
			// An expiry-time that has not passed has done its work.
			want := strings.TrimPrefix(all[rule].options, `expiry-time="20990101",`)
			if got := policy.FormatOptions(d.Options); got != want {
				problem(want, got)
			}
		}
	}
	for _, reason := range []policy.Reason{
		"", policy.ReasonNoRule, policy.ReasonRuleExpired, policy.ReasonEmailNotVerified, policy.ReasonRuleUntrusted, policy.ReasonDeniedUser,
		policy.ReasonDeniedEmail, policy.ReasonDeniedSubject, policy.ReasonDeniedClaim, policy.ReasonDeniedKey, policy.ReasonRevoked,
	} {
		if seen[reason] < 20 {
			t.Errorf("only %d of the cases have the reason %q: they say little", seen[reason], reason)
		}
	}
}

// Whatever the rules and the rest of config.yml are, one entry that names the person, the key or the user denies.
func TestDenyAlwaysWins(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tokens, who := people(t)
	for range 2000 {
		i, user := r.IntN(len(tokens)), pick(r, "root", "web")
		sub, issuer := who[i].claim("sub")[0], who[i].issuer
		rows := append(rowsOf(generateRules(r)), user+" oidc:sub:"+sub+" "+issuer)
		entries := map[policy.Reason]string{
			policy.ReasonDeniedUser:    "deny_users: [x, " + user + "]",
			policy.ReasonDeniedSubject: "deny: [{sub: x, issuer: " + op + "}, {sub: '" + sub + "', issuer: " + issuer + "}]",
			policy.ReasonDeniedKey:     "deny: [{key: " + fingerprint + "}]",
			policy.ReasonRevoked:       "revoked_before: {'" + sub + "': 2999-01-01T00:00:00Z}",
		}
		if email := who[i].email(); strings.Index(email, "@") > 0 {
			entries[policy.ReasonDeniedEmail] = "deny_emails: [x@y.z, " + email + "]"
		}
		if slices.Contains(who[i].claim("groups"), "b") {
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
