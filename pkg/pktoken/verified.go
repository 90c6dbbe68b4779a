package pktoken

import (
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Verified is what a PK token proves. Only [Verifier.Verify] makes one.
type Verified struct {
	token      *Token
	provider   Provider
	userKey    crypto.PublicKey
	userJWK    map[string]any
	claims     map[string]any
	userinfo   map[string]any
	issuedAt   time.Time
	expiresAt  time.Time
	notBefore  time.Time
	validUntil time.Time
	ends       bool
}

// Token is the verified token.
func (v *Verified) Token() *Token { return v.token }

// Provider is the row that accepted the token.
func (v *Verified) Provider() Provider { return v.provider }

// UserKey is the key that the person holds: *ecdsa.PublicKey (P-256), ed25519.PublicKey or *rsa.PublicKey.
func (v *Verified) UserKey() crypto.PublicKey { return v.userKey }

// UserJWK is the same key as a JWK.
func (v *Verified) UserJWK() map[string]any { return maps.Clone(v.userJWK) }

// Issuer is `iss`.
func (v *Verified) Issuer() string { return v.provider.Issuer }

// Subject is `sub`, or "" where it is missing or no string.
func (v *Verified) Subject() string { return v.stringClaim("sub") }

// Email is `email`, or "" where it is missing or no string.
func (v *Verified) Email() string { return v.stringClaim("email") }

// EmailVerified is whether `email_verified` is true; some providers write it as a string.
func (v *Verified) EmailVerified() bool {
	verified := v.claims["email_verified"]
	return verified == true || verified == "true"
}

// TokenID is `jti`, or "".
func (v *Verified) TokenID() string { return v.stringClaim("jti") }

// IssuedAt is `iat`.
func (v *Verified) IssuedAt() time.Time { return v.issuedAt }

// ExpiresAt is `exp` of the original ID token, whatever the row makes of it.
func (v *Verified) ExpiresAt() time.Time { return v.expiresAt }

// NotBefore is `nbf`; ok is false without one.
func (v *Verified) NotBefore() (t time.Time, ok bool) { return v.notBefore, !v.notBefore.IsZero() }

// ValidUntil is when the row's expiration policy stops accepting the token; ok is false if it never does.
func (v *Verified) ValidUntil() (t time.Time, ok bool) { return v.validUntil, v.ends }

// Claim gives one claim as [ParseObject] reads it. Callers must not change what it points to.
func (v *Verified) Claim(name string) (value any, ok bool) {
	value, ok = v.claims[name]
	return value, ok
}

// Claims gives all claims. Callers must not change what they point to.
func (v *Verified) Claims() map[string]any { return maps.Clone(v.claims) }

// HasClaim is whether the claim equals value or is an array holding it. Strings are compared exactly, numbers and booleans
// in their JSON form; null and objects match nothing.
func (v *Verified) HasClaim(name, value string) bool {
	return ClaimMatches(v.claims[name], value)
}

// WithUserinfo adds the claims of a userinfo response (OpenID Connect Core §5.3.2) that the ID token does not have. It fails
// when the response speaks of another subject, as §5.3.4 demands. The time claims and the issuer stay the ID token's, and
// `email_verified` goes with the `email` that it was said of.
func (v *Verified) WithUserinfo(userinfo map[string]any) (*Verified, error) {
	sub := v.Subject()
	if sub == "" || userinfo["sub"] != sub {
		return nil, fmt.Errorf("userinfo: expected sub %s, got %s", quoteShort(sub), quoteShort(describe(userinfo["sub"])))
	}
	claims := maps.Clone(userinfo)
	maps.Copy(claims, v.claims)
	own, has := v.claims["email"]
	email, single := own.(string)
	switch {
	case has && (!single || userinfo["email"] != email):
		keepMember(claims, v.claims, "email_verified")
	case !has:
		keepMember(claims, userinfo, "email_verified")
	}
	with := *v
	with.claims, with.userinfo = claims, maps.Clone(userinfo)
	return &with, nil
}

// Userinfo is the whole userinfo response given to [Verified.WithUserinfo], nil without one: also the claims that the ID
// token has with another value, for deny lists that look at every identity known.
func (v *Verified) Userinfo() map[string]any { return maps.Clone(v.userinfo) }

// keepMember makes one member of object what it is in source, be it missing.
func keepMember(object, source map[string]any, name string) {
	if value, present := source[name]; present {
		object[name] = value
	} else {
		delete(object, name)
	}
}

func (v *Verified) stringClaim(name string) string {
	s, _ := v.claims[name].(string)
	return s
}

// ClaimMatches is [Verified.HasClaim] for a value at hand.
func ClaimMatches(claim any, value string) bool {
	switch c := claim.(type) {
	case string:
		return c == value
	case json.Number:
		return c.String() == value
	case bool:
		return fmt.Sprint(c) == value
	case []any:
		for _, element := range c {
			// Arrays in arrays are not looked into.
			if _, nested := element.([]any); !nested && ClaimMatches(element, value) {
				return true
			}
		}
	}
	return false
}
