package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason says why a login was denied. Reasons are stable: logs, tests and documentation refer to them.
type Reason string

// The reasons, in the order of the checks.
const (
	// ReasonNotVerified: there is no verified token to decide on.
	ReasonNotVerified Reason = "not-verified"
	// ReasonDeniedUser: deny_users names the requested user.
	ReasonDeniedUser Reason = "denied-user"
	// ReasonDeniedEmail: deny_emails names the person.
	ReasonDeniedEmail Reason = "denied-email"
	// ReasonDeniedSubject: an entry of deny names the token's issuer and subject.
	ReasonDeniedSubject Reason = "denied-subject"
	// ReasonDeniedClaim: an entry of deny names a claim that the token holds.
	ReasonDeniedClaim Reason = "denied-claim"
	// ReasonDeniedKey: an entry of deny names the key or the certificate, or there is one and the request does not say the key.
	ReasonDeniedKey Reason = "denied-key"
	// ReasonRevoked: the token was issued at or before the time that revoked_before sets for the person.
	ReasonRevoked Reason = "revoked"
	// ReasonEmailNotVerified: a rule fits, but require_email_verified is set and the provider does not vouch for the email.
	ReasonEmailNotVerified Reason = "email-not-verified"
	// ReasonRuleExpired: a rule fits, but its expiry-time has passed.
	ReasonRuleExpired Reason = "rule-expired"
	// ReasonRuleUntrusted: a rule fits that would decide, or there may be one, in a file that is not to be trusted: see [Rule].
	ReasonRuleUntrusted Reason = "rule-untrusted"
	// ReasonNoRule: no rule fits.
	ReasonNoRule Reason = "no-rule"
	// ReasonPluginRequired: a plugin whose consent is required did not give it, see [Plugin]. Decide runs no plugin itself.
	ReasonPluginRequired Reason = "plugin-required"
)

// Denied is every refusal of [Policy.Decide]. Expected and Got may be empty; File and Line name the entry or rule that came
// nearest to deciding, if one did. The fields can hold bytes that an attacker chose: escape them before printing. Error does.
type Denied struct {
	Reason        Reason
	Detail        string
	Expected, Got string
	File          string
	Line          int    // from 1; 0 where no line is known
	Plugin        string // the name of the plugin that denied, if one did
}

// Error gives the place, the reason, the detail, and what was expected and found, on one line of printable ASCII.
func (d *Denied) Error() string {
	var b strings.Builder
	switch {
	case d.File != "" && d.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", asciiLine(d.File), d.Line)
	case d.File != "":
		fmt.Fprintf(&b, "%s: ", asciiLine(d.File))
	}
	fmt.Fprintf(&b, "%s: %s", d.Reason, asciiLine(d.Detail))
	switch {
	case d.Expected != "" && d.Got != "":
		fmt.Fprintf(&b, ": expected %s, got %s", quoteShort(d.Expected), quoteShort(d.Got))
	case d.Expected != "":
		fmt.Fprintf(&b, ": expected %s", quoteShort(d.Expected))
	case d.Got != "":
		fmt.Fprintf(&b, ": got %s", quoteShort(d.Got))
	}
	return b.String()
}

// asciiLine leaves what is printable as it is. In a folder that others can write to, they chose the names of the files.
func asciiLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}

// quoteShort keeps hostile values from filling a log.
func quoteShort(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%+q... (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%+q", s)
}
