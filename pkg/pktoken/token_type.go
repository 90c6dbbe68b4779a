package pktoken

import (
	"context"
	"fmt"
	"strings"
)

// tokenType is what the `typ` of an OP token says that it is.
type tokenType int

const (
	typeIDToken       tokenType = iota // no typ, or JWT
	typeKeyBound                       // dpop+id_token
	typeATAccessToken                  // at+jwt (RFC 9068)
)

func providerTokenType(header map[string]any) (tokenType, error) {
	typ, present, err := stringMember(header, "typ")
	switch {
	case err != nil:
		return 0, err
	case !present, equalFoldASCII(typ, "JWT"):
		return typeIDToken, nil
	case typ == "dpop+id_token":
		return typeKeyBound, nil
	case equalFoldASCII(typ, "at+jwt"):
		return typeATAccessToken, nil
	}
	return 0, fmt.Errorf("typ: expected none, %q or %q, got %s", "JWT", "dpop+id_token", quoteShort(typ))
}

// equalFoldASCII is case-insensitive for A to Z alone: Unicode folding would take U+212A for k.
func equalFoldASCII(a, b string) bool {
	return len(a) == len(b) && lowerASCII(a) == lowerASCII(b)
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// describe puts a JSON value of any type into an error.
func describe(v any) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(v)
}

func (a *attempt) checkTokenType(context.Context) error {
	return a.allowTokenType(a.token.provider.header, false)
}

// allowTokenType: access tokens only where the row asks for them, key-bound ID tokens where the row is of that kind, and
// there nothing else, but for a refreshed token, which the provider need not bind again.
func (a *attempt) allowTokenType(header map[string]any, refreshed bool) error {
	typ, err := providerTokenType(header)
	if err != nil {
		return rejectCause(ReasonTokenType, "OP token", err)
	}
	keyBinding := a.row.Commitment == CommitmentKeyBinding
	switch {
	case header["alg"] == AlgorithmGQ256:
		// The typ of a proof is the client's word. What the provider signed is held against the row by verifyGQ.
		if typ != typeIDToken {
			return mismatch(ReasonTokenType, "typ of a GQ256 proof", "JWT", describe(header["typ"]))
		}
	case typ == typeKeyBound && !keyBinding:
		return reject(ReasonTokenType, "dpop+id_token is for providers with commitment=cnf")
	case typ != typeKeyBound && keyBinding && !refreshed:
		return mismatch(ReasonTokenType, "typ", "dpop+id_token", describe(header["typ"]))
	case typ == typeATAccessToken && !a.row.AllowAccessTokenType:
		return reject(ReasonTokenType, "at+jwt is an access token; the provider's row does not ask for typ=at+jwt")
	}
	return nil
}
