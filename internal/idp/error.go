package idp

import "fmt"

// Reason says what went wrong with a provider. Reasons are stable: logs, tests and documentation refer to them.
type Reason string

// The reasons.
const (
	// ReasonIssuer: the issuer is not an https URL (http for a loopback host) without query, fragment and user.
	ReasonIssuer Reason = "issuer-url"
	// ReasonEndpoint: a URL in the discovery document is missing or not acceptable.
	ReasonEndpoint Reason = "endpoint-url"
	// ReasonNetwork: no answer: name resolution, connection, TLS, or out of time.
	ReasonNetwork Reason = "network"
	// ReasonProxy: the configured proxy or certificate files cannot be used.
	ReasonProxy Reason = "network-settings"
	// ReasonRedirect: a redirect to another scheme, to an unacceptable URL, or too many of them.
	ReasonRedirect Reason = "redirect"
	// ReasonAddress: the provider sent us to a private address, and is not at one itself.
	ReasonAddress Reason = "private-address"
	// ReasonStatus: the answer's status is not 200.
	ReasonStatus Reason = "http-status"
	// ReasonContentType: the answer is not of a JSON media type.
	ReasonContentType Reason = "content-type"
	// ReasonTooLarge: the answer is larger than 1 MiB, decompressed.
	ReasonTooLarge Reason = "answer-too-large"
	// ReasonMalformed: the answer is not strict JSON of the right shape.
	ReasonMalformed Reason = "answer-malformed"
	// ReasonIssuerMismatch: the discovery document is another issuer's.
	ReasonIssuerMismatch Reason = "issuer-mismatch"
	// ReasonNoKeys: the key set has no key that can verify a signature.
	ReasonNoKeys Reason = "no-usable-keys"
	// ReasonBusy: another process asked the same thing, and got no answer or is still waiting for one.
	ReasonBusy Reason = "asked-already"
	// ReasonAccessToken: the access token is not one (RFC 6750 §2.1).
	ReasonAccessToken Reason = "access-token"
	// ReasonSubject: userinfo is about somebody else (OpenID Connect Core §5.3.2).
	ReasonSubject Reason = "subject-mismatch"
	// ReasonFolder: the cache folder cannot be used, or was written to by others.
	ReasonFolder Reason = "cache-folder"
)

// Error is every failure of this package. URL is what was asked, or the path of the cache folder; it may be empty.
type Error struct {
	Reason Reason
	URL    string
	Detail string
	Err    error
}

// Error is one line. What a provider chose is quoted in it; access tokens never are in it.
func (e *Error) Error() string {
	text := string(e.Reason)
	if e.URL != "" {
		text += fmt.Sprintf(": %+q", shorten(e.URL))
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// shorten keeps a hostile value from filling a log.
func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func mismatch(expected, got string) string {
	return fmt.Sprintf("expected %+q, got %+q", shorten(expected), shorten(got))
}
