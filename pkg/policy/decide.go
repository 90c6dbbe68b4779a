package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"opkssh/pkg/pktoken"
)

// Policy is what a host allows. The zero Policy denies everything.
type Policy struct {
	Config *Config // nil means DefaultConfig
	System []Rule  // of /etc/opk
	Home   []Rule  // of the requested user's home folder; the caller leaves it empty unless Config.HomePolicy is set
}

// Request is what sshd wants to know of a policy.
type Request struct {
	User                   string    // the user to log in as, as the client said it
	KeyFingerprint         string    // SHA256:… of the user's key
	CertificateFingerprint string    // SHA256:… of the certificate, if it has one of its own
	Now                    time.Time // an expiry-time without Z is in its zone; a zero time is after every expiry-time
}

// Decision allows a login.
type Decision struct {
	Rule     Rule     // the rule that decided; its File and Line say where it stands
	Options  []Option // for the authorized_keys line, or for the embedded server to enforce: the rule's, without expiry-time
	Warnings []string // for the log, on one line of printable ASCII each
	Plugin   string   // the name of the plugin that allowed where no rule did; Rule has no more than its File and Line then
}

// Decide says whether the person behind v may log in as r.User. Deny entries are looked at first and win over every rule. Then
// the first rule that fits decides, those of the system before those of the home folder, and its options alone apply: a rule
// with options must stand before a wider one. A rule whose expiry-time has passed does not fit, and where one would decide whose file is
// not to be trusted, nobody is let in. Every error is a [*Denied].
func (p *Policy) Decide(v *pktoken.Verified, r Request) (*Decision, error) {
	if v == nil || v.Issuer() == "" {
		return nil, &Denied{Reason: ReasonNotVerified, Detail: "there is no verified token"}
	}
	c := p.config()
	if d := c.denies(v, r); d != nil {
		return nil, d
	}
	var nearest Step
	for step := range p.steps(v, r) {
		switch step.Outcome {
		case Fits:
			return &Decision{Rule: step.Rule, Options: openOptions(step.Rule.Options), Warnings: append(warnings(v, step.Rule), c.blindSpots(v)...)}, nil
		case RuleUntrusted:
			return nil, step.denied(v, r)
		}
		if step.Outcome > nearest.Outcome {
			nearest = step
		}
	}
	return nil, nearest.denied(v, r)
}

// openOptions are those that are still to be enforced. An expiry-time has been: it says until when a login may begin, and ends no
// session. sshd would have nothing to add but other readings: before OpenSSH 9.1 it does not know the Z, and passes over the whole
// line for it; without one it goes by its own time zone, and by standard time in summer.
func openOptions(options []Option) []Option {
	return slices.DeleteFunc(slices.Clone(options), func(o Option) bool { return o.Name == expiryTime })
}

func (p *Policy) config() *Config {
	if p.Config == nil {
		return DefaultConfig()
	}
	return p.Config
}

func warnings(v *pktoken.Verified, rule Rule) []string {
	if !rule.Identity.restsOnEmail() || v.EmailVerified() {
		return nil
	}
	return []string{fmt.Sprintf("%s:%d: the provider does not say that it has verified the email %s", rule.File, rule.Line, quoteShort(v.Email()))}
}

// blindSpots warns of people whom no entry by email can see. Their own client chooses which scopes it asks for, so that a rule on
// another claim lets them in without one.
func (c *Config) blindSpots(v *pktoken.Verified) []string {
	_, known := v.Claim("email")
	person := v.Provider().Commitment == pktoken.CommitmentNonce || v.Provider().Commitment == pktoken.CommitmentKeyBinding
	if known || !person || !c.denyByEmail() {
		return nil
	}
	return []string{c.File + ": entries by email cannot see this person: the token has no email"}
}

func (c *Config) denyByEmail() bool {
	return len(c.DenyEmails) > 0 ||
		slices.ContainsFunc(c.Deny, func(e DenyEntry) bool { return e.Claim == "email" }) ||
		slices.ContainsFunc(c.RevokedBefore, func(r Revocation) bool { return strings.Contains(r.Identity, "@") })
}

// DeniedUser is the entry of deny_users that keeps everybody from logging in as a user.
func (c *Config) DeniedUser(user string) (entry DenyName, denied bool) {
	i := slices.IndexFunc(c.DenyUsers, func(e DenyName) bool { return equalFoldASCII(strings.TrimSpace(e.Name), user) })
	if i < 0 {
		return DenyName{}, false
	}
	return c.DenyUsers[i], true
}

// denies looks at everything that is known of the person, in the order of the [Reason] constants.
func (c *Config) denies(v *pktoken.Verified, r Request) *Denied {
	deny := func(reason Reason, line int, detail, got string) *Denied {
		return &Denied{Reason: reason, Detail: detail, Got: got, File: c.File, Line: line}
	}
	who := everythingKnown{v.Claims(), v.Userinfo()}
	if e, denied := c.DeniedUser(r.User); denied {
		return deny(ReasonDeniedUser, e.Line, "deny_users names the user", r.User)
	}
	for _, e := range c.DenyEmails {
		if who.isKnownAs(e.Name) {
			return deny(ReasonDeniedEmail, e.Line, "deny_emails names the person", e.Name)
		}
	}
	for _, e := range c.Deny {
		ofIssuer := e.Issuer == "" || e.Issuer == v.Issuer()
		switch {
		case e.Subject != "" && ofIssuer && who.has("sub", e.Subject):
			return deny(ReasonDeniedSubject, e.Line, "deny names the subject", e.Subject)
		case e.Claim != "" && ofIssuer && (who.has(e.Claim, e.Value) || e.Claim == "email" && who.isKnownAs(e.Value)):
			return deny(ReasonDeniedClaim, e.Line, "deny names a claim of the person", joinClaim(e.Claim, e.Value))
		case e.Key != "" && r.KeyFingerprint == "":
			return deny(ReasonDeniedKey, e.Line, "deny names a key, and the request does not say which it is", "")
		case e.Key != "" && (e.Key == r.KeyFingerprint || e.Key == r.CertificateFingerprint):
			return deny(ReasonDeniedKey, e.Line, "deny names the key", e.Key)
		}
	}
	for _, e := range c.RevokedBefore {
		if (who.has("sub", e.Identity) || who.isKnownAs(e.Identity)) && !v.IssuedAt().After(e.Before) {
			d := deny(ReasonRevoked, e.Line, "revoked_before: the token is too old", v.IssuedAt().UTC().Format(time.RFC3339))
			d.Expected = "issued after " + e.Before.UTC().Format(time.RFC3339)
			return d
		}
	}
	return nil
}

// everythingKnown are the claims of the ID token, and those of the userinfo response, whose values may differ: what either
// says is enough to deny.
type everythingKnown []map[string]any

func (k everythingKnown) has(claim, value string) bool {
	return slices.ContainsFunc(k, func(claims map[string]any) bool { return pktoken.ClaimMatches(claims[claim], value) })
}

// isKnownAs is whether name is the person's email, one of several, or a subject that is an email.
func (k everythingKnown) isKnownAs(name string) bool {
	name = strings.TrimSpace(name)
	if !strings.Contains(name, "@") {
		return false
	}
	same := func(claim any) bool {
		s, ok := claim.(string)
		return ok && equalFoldASCII(strings.TrimSpace(s), name)
	}
	return slices.ContainsFunc(k, func(claims map[string]any) bool {
		several, _ := claims["email"].([]any)
		return same(claims["email"]) || same(claims["sub"]) || slices.ContainsFunc(several, same)
	})
}
