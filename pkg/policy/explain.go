package policy

import (
	"iter"

	"opkssh/pkg/pktoken"
)

// Outcome says how far a rule came towards letting somebody in.
type Outcome int

// The outcomes, from the furthest to the nearest.
const (
	OtherUser        Outcome = iota // the rule is for another user
	OtherIssuer                     // for the user, but for another issuer
	OtherIdentity                   // for the user and issuer, but for somebody else
	RuleExpired                     // for the person, but its expiry-time has passed
	EmailNotVerified                // for the person, but the provider does not vouch for the email
	RuleUntrusted                   // for the person, perhaps, but its file is not to be trusted
	Fits                            // the rule lets the person in
)

var outcomeNames = []string{"other-user", "other-issuer", "other-identity", "rule-expired", "email-not-verified", "rule-untrusted", "fits"}

// String gives a name for logs and JSON.
func (o Outcome) String() string {
	if o < 0 || int(o) >= len(outcomeNames) {
		return "unknown"
	}
	return outcomeNames[o]
}

// Step is one rule held against a request.
type Step struct {
	Rule    Rule
	Outcome Outcome
}

// Explain gives every rule in the order in which [Policy.Decide] looks at them, with how far it came. The first that fits, or has the
// outcome RuleUntrusted, is the one that decides, unless Decide denies before it looks at any rule. It gives nothing for a token that is
// not verified.
func (p *Policy) Explain(v *pktoken.Verified, r Request) []Step {
	if v == nil || v.Issuer() == "" {
		return nil
	}
	var all []Step
	for step := range p.steps(v, r) {
		all = append(all, step)
	}
	return all
}

func (p *Policy) steps(v *pktoken.Verified, r Request) iter.Seq[Step] {
	requireVerified := p.config().RequireEmailVerified
	return func(yield func(Step) bool) {
		for _, rules := range [][]Rule{p.System, p.Home} {
			for _, rule := range rules {
				if !yield(Step{rule, rule.outcome(v, r, requireVerified)}) {
					return
				}
			}
		}
	}
}

func (rule Rule) outcome(v *pktoken.Verified, r Request, requireVerified bool) Outcome {
	switch {
	case rule.isUnknown():
		return RuleUntrusted
	case rule.Principal == "" || rule.Principal != r.User:
		return OtherUser
	case rule.Issuer != v.Issuer():
		return OtherIssuer
	case !rule.Identity.matches(v):
		return OtherIdentity
	case expired(rule.Options, r.Now):
		return RuleExpired
	case requireVerified && rule.Identity.restsOnEmail() && !v.EmailVerified():
		return EmailNotVerified
	case rule.Doubt != "":
		return RuleUntrusted
	}
	return Fits
}

// isUnknown is whether the rule stands for a file that cannot be read.
func (rule Rule) isUnknown() bool { return rule.Principal == "" && rule.Doubt != "" }

// denied is the refusal when this was the nearest rule.
func (s Step) denied(v *pktoken.Verified, r Request) *Denied {
	d := &Denied{Reason: ReasonNoRule, File: s.Rule.File, Line: s.Rule.Line}
	switch s.Outcome {
	case OtherIssuer:
		d.Detail, d.Expected, d.Got = "no rule for the user has this issuer", s.Rule.Issuer, v.Issuer()
	case OtherIdentity:
		d.Detail, d.Expected, d.Got = "no rule for the user and issuer has this person", s.Rule.Identity.String(), person(v)
	case RuleExpired:
		d.Reason, d.Detail = ReasonRuleExpired, "the rule's expiry-time has passed"
	case EmailNotVerified:
		d.Reason, d.Detail = ReasonEmailNotVerified, "require_email_verified is set, and the provider does not say it of the email"
		d.Got = v.Email()
	case RuleUntrusted:
		d.Reason, d.Detail = ReasonRuleUntrusted, "the rule comes first, and its file is not to be trusted: "+s.Rule.Doubt
		if s.Rule.isUnknown() {
			d.Detail = "nobody knows whether a rule in the file comes first: " + s.Rule.Doubt
		}
	default:
		return &Denied{Reason: ReasonNoRule, Detail: "no rule for the user", Got: r.User}
	}
	return d
}

// person names somebody for a log.
func person(v *pktoken.Verified) string {
	if v.Email() == "" {
		return "sub " + v.Subject()
	}
	return "email " + v.Email() + ", sub " + v.Subject()
}
