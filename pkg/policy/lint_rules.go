package policy

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"opkssh/pkg/pktoken"
)

// publicDomains are those where anybody can have an address.
var publicDomains = []string{
	"163.com", "aol.com", "fastmail.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com",
	"mail.com", "mail.ru", "me.com", "msn.com", "outlook.com", "pm.me", "proton.me", "protonmail.com", "qq.com", "web.de", "yahoo.com",
	"yandex.com", "yandex.ru", "zoho.com",
}

func (l *linter) rules() {
	if len(l.Rules) == 0 {
		l.add(FindingNoRules, SeverityWarning, "", 0, "verifier add USER IDENTITY ISSUER", "no rule lets anybody in")
	}
	earlier := newCoverage()
	for _, r := range l.Rules {
		l.issuerOf(r)
		l.risksOf(r)
		l.denialOf(r)
		if !l.Now.IsZero() && r.Expired(l.Now) {
			l.add(FindingExpiredRule, SeverityWarning, r.File, r.Line, "extend or remove it", "the rule's expiry-time has passed")
			continue
		}
		if by, ok := earlier.find(r); ok {
			l.coveredBy(r, by)
			continue
		}
		// A rule with an end leaves the field to the next one.
		if !slices.ContainsFunc(r.Options, func(o Option) bool { return o.Name == expiryTime }) {
			earlier.add(r)
		}
	}
}

func (l *linter) issuerOf(r Rule) {
	rows := l.byIssuer[r.Issuer]
	if len(rows) > 0 {
		audience := func(p pktoken.Provider) bool { return p.Commitment == pktoken.CommitmentAudience }
		if r.Identity.Kind == IdentitySubjectGlob && !slices.ContainsFunc(rows, audience) {
			l.add(FindingNoAudienceRow, SeverityError, r.File, r.Line, "remove commitment= from the issuer's row in providers",
				"repo: matches tokens of a row with commitment=aud alone, and %s has none", quoteShort(r.Issuer))
		}
		return
	}
	if near := l.nearIssuer(r.Issuer); near != "" {
		l.add(FindingIssuerNearMiss, SeverityError, r.File, r.Line, "issuers are compared letter by letter, a trailing / counts",
			"the rule lets nobody in: expected the issuer %s as in providers, got %s", quoteShort(near), quoteShort(r.Issuer))
		return
	}
	l.add(FindingUnknownIssuer, SeverityError, r.File, r.Line, "add the issuer to providers, or remove the rule",
		"the rule lets nobody in: no row of providers has the issuer %s", quoteShort(r.Issuer))
}

// nearIssuer is the configured issuer that was probably meant, or "". Many rules have the same issuer.
func (l *linter) nearIssuer(issuer string) string {
	near, known := l.meant[issuer]
	if !known {
		near = l.findNearIssuer(issuer)
		l.meant[issuer] = near
	}
	return near
}

func (l *linter) findNearIssuer(issuer string) string {
	folded := foldIssuer(issuer)
	if near := l.near[folded]; len(l.byIssuer[near]) > 0 {
		return near
	}
	const typingErrors = 2
	for _, p := range l.Providers {
		if editDistance(folded, foldIssuer(p.Issuer)) <= typingErrors {
			return p.Issuer
		}
	}
	return ""
}

func (l *linter) risksOf(r Rule) {
	root := r.Principal == "root"
	if r.Identity.Kind == IdentityEmailSuffix {
		switch suffix := strings.Map(foldASCII, r.Identity.Value); {
		case slices.Contains(publicDomains, suffix[1:]):
			l.add(FindingPublicDomain, SeverityError, r.File, r.Line, "name the people, or a group", "anybody can have an address that ends in %s", quoteShort(suffix))
			return
		case suffix[0] == '.' && !strings.Contains(suffix[1:], "."):
			l.add(FindingPublicDomain, SeverityError, r.File, r.Line, "name the people, or a group", "everybody below the top-level domain %s is let in", quoteShort(suffix))
			return
		case root:
			l.add(FindingWideRoot, SeverityWarning, r.File, r.Line, "name the people, or a group",
				"everybody whose address ends in %s may become root", quoteShort(r.Identity.Value))
		}
	}
	if root && r.Identity.Kind == IdentitySubjectGlob && isGlob(r.Identity.Value) {
		l.add(FindingWideRoot, SeverityWarning, r.File, r.Line, "name the branch or environment whole",
			"every CI job that matches %s may become root", quoteShort(r.Identity.Value))
	}
}

func (l *linter) denialOf(r Rule) {
	if e, denied := l.config.DeniedUser(r.Principal); denied {
		l.add(FindingDeniedRule, SeverityWarning, r.File, r.Line, "remove one of them", "deny_users of config.yml (line %d) names the user", e.Line)
		return
	}
	for _, e := range l.config.DenyEmails {
		if r.Identity.isEmail(e.Name) {
			l.add(FindingDeniedRule, SeverityNote, r.File, r.Line, "", "deny_emails of config.yml (line %d) names the person", e.Line)
			return
		}
	}
	for _, e := range l.config.Deny {
		claim, value := e.Claim, e.Value
		if e.Subject != "" {
			claim, value = "sub", e.Subject
		}
		if (e.Issuer == "" || e.Issuer == r.Issuer) && (r.Identity.isClaim(claim, value) || claim == "email" && r.Identity.isEmail(value)) {
			l.add(FindingDeniedRule, SeverityNote, r.File, r.Line, "", "deny of config.yml (line %d) names whom it lets in", e.Line)
			return
		}
	}
}

// isEmail is whether the identity is the person with this address.
func (i Identity) isEmail(address string) bool {
	return (i.Kind == IdentityEmail || i.Kind == IdentityClaim && i.Claim == "email") && equalFoldASCII(strings.TrimSpace(address), i.Value)
}

// isClaim is whether the identity is that of all whose token has this claim.
func (i Identity) isClaim(claim, value string) bool {
	switch i.Kind {
	case IdentityClaim:
		return i.Claim == claim && i.Value == value
	case IdentitySubject, IdentitySubjectGlob:
		return claim == "sub" && i.Value == value
	}
	return false
}

func (l *linter) coveredBy(r, by Rule) {
	place := quoteShort(by.Identity.String()) + " in " + by.File + ":" + strconv.Itoa(by.Line)
	same := slices.Equal(r.Options, by.Options)
	switch {
	case same && foldIdentity(r.Identity) == foldIdentity(by.Identity):
		l.add(FindingDuplicateRule, SeverityWarning, r.File, r.Line, "remove one of them", "stands before: %s", place)
	case same:
		l.add(FindingCoveredRule, SeverityNote, r.File, r.Line, "", "lets nobody in whom %s does not", place)
	case len(r.Options) > 0:
		l.add(FindingShadowedRule, SeverityError, r.File, r.Line, "move the rule with limits before the wider one",
			"its limits never apply: the first rule that fits decides, %s", place)
	default:
		l.add(FindingShadowedRule, SeverityWarning, r.File, r.Line, "remove one of them, or move it", "never decides: the first rule that fits does, %s", place)
	}
}

// coverage finds the earlier rule that fits whomever a rule fits.
type coverage struct {
	exact map[coverageKey]Rule
	globs map[coverageKey][]Rule // by principal and issuer
}

type coverageKey struct {
	principal, issuer string
	identity          Identity
}

func newCoverage() *coverage {
	return &coverage{exact: map[coverageKey]Rule{}, globs: map[coverageKey][]Rule{}}
}

// foldIdentity gives identities that match the same tokens one form.
func foldIdentity(i Identity) Identity {
	switch {
	case i.Kind == IdentityEmail || i.Kind == IdentityEmailSuffix:
		i.Value = strings.Map(foldASCII, i.Value)
	case i.Kind == IdentityClaim && i.Claim == "sub":
		i = Identity{Kind: IdentitySubject, Value: i.Value}
	}
	return i
}

func (c *coverage) add(r Rule) {
	key := coverageKey{r.Principal, r.Issuer, foldIdentity(r.Identity)}
	c.exact[key] = r
	if r.Identity.Kind == IdentitySubjectGlob && isGlob(r.Identity.Value) {
		key.identity = Identity{}
		c.globs[key] = append(c.globs[key], r)
	}
}

func (c *coverage) find(r Rule) (Rule, bool) {
	identity := foldIdentity(r.Identity)
	if by, ok := c.exact[coverageKey{r.Principal, r.Issuer, identity}]; ok {
		return by, true
	}
	switch {
	case identity.Kind == IdentityEmail || identity.Kind == IdentityEmailSuffix:
		return c.findEmail(r, identity.Value)
	case identity.Kind == IdentitySubjectGlob && !isGlob(identity.Value):
		for _, by := range c.globs[coverageKey{principal: r.Principal, issuer: r.Issuer}] {
			if matched, err := path.Match(by.Identity.Value, identity.Value); err == nil && matched {
				return by, true
			}
		}
	}
	return Rule{}, false
}

// findEmail looks for each end of an address, or of a suffix, at which a suffix can begin.
func (c *coverage) findEmail(r Rule, value string) (Rule, bool) {
	for i := range len(value) {
		if value[i] != '@' && value[i] != '.' {
			continue
		}
		if by, ok := c.exact[coverageKey{r.Principal, r.Issuer, Identity{Kind: IdentityEmailSuffix, Value: value[i:]}}]; ok {
			return by, true
		}
	}
	return Rule{}, false
}

func isGlob(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }
