package pktoken

import (
	"fmt"
	"strings"
	"unicode"
)

// Reason says which check refused a token. Reasons are stable: logs, tests and documentation refer to them.
type Reason string

// The reasons, in the order of the checks.
const (
	// ReasonTooLarge: the compact form is longer than [MaxSize].
	ReasonTooLarge Reason = "token-too-large"
	// ReasonMalformed: not the compact form of a PK token, a part of it is not strict base64url or strict JSON, or `iss` or
	// `aud` is missing or of the wrong type.
	ReasonMalformed Reason = "token-malformed"
	// ReasonTokenType: a `typ` that is unknown, in the wrong place, or not allowed by the provider's row.
	ReasonTokenType Reason = "token-type"
	// ReasonClientHeader: the CIC protected header lacks a member, or holds an unusable key.
	ReasonClientHeader Reason = "client-header"
	// ReasonClientSignature: the CIC signature does not verify under the user's key.
	ReasonClientSignature Reason = "client-signature"
	// ReasonUnknownIssuer: no configured row has the token's issuer.
	ReasonUnknownIssuer Reason = "unknown-issuer"
	// ReasonAudience: the issuer is configured, but for other audiences.
	ReasonAudience Reason = "audience"
	// ReasonAuthorizedParty: `azp` names another client.
	ReasonAuthorizedParty Reason = "authorized-party"
	// ReasonAlgorithm: the provider's signature algorithm is not allowed, or not allowed for this kind of row.
	ReasonAlgorithm Reason = "algorithm"
	// ReasonCritical: a header has a `crit` member, and none is understood (RFC 7515 §4.1.11).
	ReasonCritical Reason = "critical-header"
	// ReasonKeysUnavailable: the provider's keys could not be had.
	ReasonKeysUnavailable Reason = "keys-unavailable"
	// ReasonNoKey: no key of the provider fits, or several fit a token without `kid`.
	ReasonNoKey Reason = "no-provider-key"
	// ReasonSignature: the provider's signature, or the proof of it, is false.
	ReasonSignature Reason = "provider-signature"
	// ReasonCommitment: the ID token does not commit to this user key.
	ReasonCommitment Reason = "commitment"
	// ReasonTime: a time claim is missing or not an integer.
	ReasonTime Reason = "time-claim"
	// ReasonNotYetValid: `iat` or `nbf` lies in the future.
	ReasonNotYetValid Reason = "not-yet-valid"
	// ReasonExpired: the token is older than the row's expiration policy allows.
	ReasonExpired Reason = "expired"
	// ReasonRequiredClaim: the row requires a claim that the token does not have.
	ReasonRequiredClaim Reason = "required-claim"
	// ReasonRefreshed: the refreshed ID token is present and does not pass.
	ReasonRefreshed Reason = "refreshed-token"
)

// RejectError is every refusal of this package. Expected and Got may be empty. They, and Detail, can hold bytes that an
// attacker chose: escape them before printing. Error does.
type RejectError struct {
	Reason   Reason
	Detail   string
	Expected string
	Got      string
	Err      error
}

// Error gives the reason, the detail, and what was expected and found, on one line of printable characters.
func (e *RejectError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Reason, printable(e.Detail))
	switch {
	case e.Expected != "" && e.Got != "":
		fmt.Fprintf(&b, ": expected %s, got %s", quoteShort(e.Expected), quoteShort(e.Got))
	case e.Expected != "":
		fmt.Fprintf(&b, ": expected %s", quoteShort(e.Expected))
	case e.Got != "":
		fmt.Fprintf(&b, ": got %s", quoteShort(e.Got))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", printable(e.Err.Error()))
	}
	return b.String()
}

// Unwrap gives the cause, such as the network error behind [ReasonKeysUnavailable].
func (e *RejectError) Unwrap() error { return e.Err }

func reject(reason Reason, detail string) *RejectError {
	return &RejectError{Reason: reason, Detail: detail}
}

func mismatch(reason Reason, detail, expected, got string) *RejectError {
	return &RejectError{Reason: reason, Detail: detail, Expected: expected, Got: got}
}

func rejectCause(reason Reason, detail string, err error) *RejectError {
	return &RejectError{Reason: reason, Detail: detail, Err: err}
}

// quoteShort keeps hostile values from filling a log.
func quoteShort(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%+q… (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%+q", s)
}

func printable(s string) string {
	const most = 1000
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
