package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"opkssh/pkg/pktoken"
)

// Severity says how bad a [Finding] is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // it does not do what it says, or lets in whom nobody meant
	SeverityWarning Severity = "warning" // it is probably not what was meant
	SeverityNote    Severity = "note"    // worth knowing
)

// FindingCode says what a [Finding] is about. Codes are stable.
type FindingCode string

// The codes of [Lint].
const (
	// FindingNoProviders: no issuer is believed.
	FindingNoProviders FindingCode = "no-providers"
	// FindingNoRules: nobody may log in, but by home rules and plugins.
	FindingNoRules FindingCode = "no-rules"
	// FindingDuplicateProvider: two rows say the same.
	FindingDuplicateProvider FindingCode = "duplicate-provider"
	// FindingOverlappingProviders: two rows take the same tokens by different conditions; either will do.
	FindingOverlappingProviders FindingCode = "overlapping-providers"
	// FindingUnusedProvider: no rule names the issuer.
	FindingUnusedProvider FindingCode = "unused-provider"
	// FindingIssuerNearMiss: an issuer is spelled almost as another one that is known: a slash, a letter's case, a typing error.
	FindingIssuerNearMiss FindingCode = "issuer-near-miss"
	// FindingUnknownIssuer: a rule's issuer is in no row of providers.
	FindingUnknownIssuer FindingCode = "unknown-issuer"
	// FindingNeverExpires: a login by this provider has no end.
	FindingNeverExpires FindingCode = "never-expires"
	// FindingEmailNotChecked: rules rest on an email that the provider need not have verified.
	FindingEmailNotChecked FindingCode = "email-not-checked"
	// FindingNoAudienceRow: a rule with repo: has no row of providers with commitment=aud, and matches nobody.
	FindingNoAudienceRow FindingCode = "no-audience-row"
	// FindingDuplicateRule: a rule stands twice.
	FindingDuplicateRule FindingCode = "duplicate-rule"
	// FindingShadowedRule: an earlier rule fits whomever this one fits, and its options apply instead of this one's.
	FindingShadowedRule FindingCode = "shadowed-rule"
	// FindingCoveredRule: an earlier, wider rule with the same options makes this one superfluous.
	FindingCoveredRule FindingCode = "covered-rule"
	// FindingExpiredRule: the rule's expiry-time has passed.
	FindingExpiredRule FindingCode = "expired-rule"
	// FindingDeniedRule: deny_users, deny_emails or deny takes away what the rule gives.
	FindingDeniedRule FindingCode = "denied-rule"
	// FindingWideRoot: a whole domain, or whatever runs in a repository, may become root.
	FindingWideRoot FindingCode = "wide-root"
	// FindingPublicDomain: a rule lets in everybody with an address at a domain where anybody can have one.
	FindingPublicDomain FindingCode = "public-domain"
	// FindingEscapedLock: config.yml denies an address as the log escapes it, which is nobody's.
	FindingEscapedLock FindingCode = "escaped-lock"
	// FindingNobodyLocked: config.yml denies what is no email address.
	FindingNobodyLocked FindingCode = "nobody-locked"
)

// FindingCodes are the codes of [Lint].
func FindingCodes() []FindingCode {
	return []FindingCode{
		FindingNoProviders, FindingNoRules, FindingDuplicateProvider, FindingOverlappingProviders, FindingUnusedProvider, FindingIssuerNearMiss,
		FindingUnknownIssuer, FindingNeverExpires, FindingEmailNotChecked, FindingNoAudienceRow, FindingDuplicateRule, FindingShadowedRule,
		FindingCoveredRule, FindingExpiredRule, FindingDeniedRule, FindingWideRoot, FindingPublicDomain, FindingEscapedLock, FindingNobodyLocked,
	}
}

// Finding is a row that the parser takes and that does not do what somebody meant.
type Finding struct {
	Code     FindingCode
	Severity Severity
	File     string // "" where the finding is about no single row
	Line     int    // from 1; 0 if unknown
	Detail   string // on one line of printable ASCII
	Hint     string // what to do, or ""
}

// Lint holds a host's files against each other.
type Lint struct {
	Config    *Config            // nil means DefaultConfig
	Providers []pktoken.Provider // with their Origin, in their order
	Rules     []Rule             // of /etc/opk, in their order
	Now       time.Time          // for expiry-time; zero: no rule has expired
}

// Findings gives what there is to say, about providers first, then about rules and about locks, each in their order. It takes time
// in proportion to the number of rows.
func (l *Lint) Findings() []Finding {
	c := &linter{Lint: l, config: l.Config}
	if c.config == nil {
		c.config = DefaultConfig()
	}
	c.index()
	c.providers()
	c.rules()
	c.locks()
	return c.findings
}

// linter is one run of [Lint].
type linter struct {
	*Lint
	config   *Config
	byIssuer map[string][]pktoken.Provider
	near     map[string]string // a folded issuer as a row of providers or a preset spells it
	meant    map[string]string // of an unknown issuer, the known one that was meant, or ""
	used     map[string]bool   // issuers that rules name
	onEmail  map[string]bool   // issuers with a rule that rests on the email
	findings []Finding
}

func (l *linter) index() {
	l.byIssuer, l.near, l.meant = map[string][]pktoken.Provider{}, map[string]string{}, map[string]string{}
	l.used, l.onEmail = map[string]bool{}, map[string]bool{}
	for _, p := range l.Providers {
		l.byIssuer[p.Issuer] = append(l.byIssuer[p.Issuer], p)
	}
	for _, r := range l.Rules {
		l.used[r.Issuer] = true
		if r.Identity.restsOnEmail() {
			l.onEmail[r.Issuer] = true
		}
	}
	for _, p := range slices.Backward(l.Providers) {
		l.near[foldIssuer(p.Issuer)] = p.Issuer
	}
	for _, known := range KnownProviders() {
		l.near[foldIssuer(known.Issuer)] = known.Issuer
	}
}

func (l *linter) add(code FindingCode, severity Severity, file string, line int, hint, format string, args ...any) {
	l.findings = append(l.findings, Finding{
		Code: code, Severity: severity, File: file, Line: line, Hint: hint, Detail: fmt.Sprintf(format, args...),
	})
}

// foldIssuer takes away what people add, leave out and write differently.
func foldIssuer(issuer string) string {
	issuer = strings.Map(foldASCII, issuer)
	issuer = strings.TrimPrefix(strings.TrimPrefix(issuer, "https://"), "http://")
	issuer = strings.TrimRight(strings.TrimSuffix(issuer, ".well-known/openid-configuration"), "/")
	host, path, _ := strings.Cut(issuer, "/")
	return strings.TrimSuffix(host, ":443") + "/" + path
}

func (l *linter) providers() {
	if len(l.Providers) == 0 {
		l.add(FindingNoProviders, SeverityError, "", 0, "add a row of issuer, client ID and expiration", "no provider is believed, so that nobody can log in")
	}
	type taken struct {
		issuer, clientID string
		commitment       pktoken.Commitment
	}
	seen := map[taken]pktoken.Provider{}
	saidEmail := map[string]bool{}
	for _, p := range l.Providers {
		file, line := splitOrigin(p.Origin)
		key := taken{p.Issuer, p.ClientID, p.Commitment}
		if p.Commitment == pktoken.CommitmentAudience {
			key.clientID = "" // not looked at
		}
		if before, ok := seen[key]; !ok {
			seen[key] = p
		} else if sameProvider(before, p) {
			l.add(FindingDuplicateProvider, SeverityWarning, file, line, "remove one of them", "says the same as %s", before.Origin)
		} else {
			l.add(FindingOverlappingProviders, SeverityWarning, file, line, "remove one of them",
				"takes the same tokens as %s by other conditions, and a token needs to meet those of one row only", before.Origin)
		}
		if known := l.near[foldIssuer(p.Issuer)]; known != p.Issuer {
			l.add(FindingIssuerNearMiss, SeverityWarning, file, line, "issuers are compared letter by letter, a trailing / counts",
				"the issuer %s is almost %s", quoteShort(p.Issuer), quoteShort(known))
		}
		if !l.used[p.Issuer] {
			l.add(FindingUnusedProvider, SeverityNote, file, line, "", "no rule in auth_id names the issuer %s", quoteShort(p.Issuer))
		}
		if p.Expiry.Kind == pktoken.ExpiryNever {
			l.add(FindingNeverExpires, SeverityWarning, file, line, "write how long a login lasts, such as 24h",
				"a key that somebody stole opens this host for as long as the provider has its own key")
		}
		if l.onEmail[p.Issuer] && !l.config.RequireEmailVerified && !vouchesForEmail(p) && !saidEmail[p.Issuer] {
			saidEmail[p.Issuer] = true
			l.add(FindingEmailNotChecked, emailSeverity(p.Issuer), file, line,
				"add require=email_verified:true to the row, or require_email_verified: true to config.yml",
				"rules rest on emails that the provider need not have verified: whoever may enter any address there is let in as its owner")
		}
	}
}

// sameProvider compares what rows say.
func sameProvider(a, b pktoken.Provider) bool {
	return a.Expiry == b.Expiry && a.AllowAccessTokenType == b.AllowAccessTokenType && a.AllowAudienceArray == b.AllowAudienceArray &&
		slices.Equal(a.Require, b.Require) && a.ACR == b.ACR && a.MaxAuthAge == b.MaxAuthAge
}

func vouchesForEmail(p pktoken.Provider) bool {
	return slices.Contains(p.Require, pktoken.ClaimRequirement{Name: "email_verified", Value: "true"})
}

// emailSeverity: the well-known providers let nobody have an address that is not theirs.
func emailSeverity(issuer string) Severity {
	if slices.ContainsFunc(KnownProviders(), func(p KnownProvider) bool { return p.Issuer == issuer }) {
		return SeverityNote
	}
	return SeverityWarning
}

// splitOrigin takes "file:line" apart.
func splitOrigin(origin string) (file string, line int) {
	at := strings.LastIndexByte(origin, ':')
	if at < 0 {
		return origin, 0
	}
	line, err := strconv.Atoi(origin[at+1:])
	if err != nil {
		return origin, 0
	}
	return origin[:at], line
}

// locks looks for addresses that are none, which `verifier lock` refuses. A subject may be so, and have an @.
func (l *linter) locks() {
	const nobody = "it locks %s letter by letter, which is no email address"
	check := func(name string, line int, isEmail bool) {
		switch {
		case strings.Contains(name, "@") && HasLogEscape(name):
			l.add(FindingEscapedLock, SeverityWarning, l.config.File, line, "write the address as it is: the log escapes what is not ASCII", nobody, quoteShort(name))
		case isEmail && CheckEmailAddress(strings.TrimSpace(name)) != nil:
			l.add(FindingNobodyLocked, SeverityWarning, l.config.File, line, "write the whole address and nothing else", nobody, quoteShort(name))
		}
	}
	for _, e := range l.config.DenyEmails {
		check(e.Name, e.Line, true)
	}
	for _, e := range l.config.Deny {
		if e.Claim == "email" {
			check(e.Value, e.Line, true)
		}
	}
	for _, e := range l.config.RevokedBefore {
		check(e.Identity, e.Line, false)
	}
}
