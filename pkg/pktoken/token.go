package pktoken

import (
	"maps"
	"strings"
)

// MaxSize is the longest compact form that is read, in bytes: what fits into one command-line argument on Linux.
const MaxSize = 128 << 10

// Token is a PK token that was parsed and not yet verified: whatever it says may be a lie.
type Token struct {
	compact   string
	payload64 string
	payload   []byte
	claims    map[string]any
	provider  signedHeader  // the OP token
	client    signedHeader  // the CIC token
	cosigner  *signedHeader // the COS token, if there is one
	refreshed *idToken      // the refreshed ID token, if there is one
}

// signedHeader is what each of the tokens has of its own: a protected header and a signature.
type signedHeader struct {
	protected64 string
	protected   []byte
	header      map[string]any
	signature   []byte
}

// idToken is a JWT: a signed header and a payload of its own.
type idToken struct {
	signedHeader
	payload64 string
	payload   []byte
	claims    map[string]any
}

// signingInput is RFC 7515 §5.1 step 8.
func (h *signedHeader) signingInput(payload64 string) []byte {
	return []byte(h.protected64 + "." + payload64)
}

// Parse reads the compact form and checks its structure. Errors are [*RejectError].
func Parse(compact string) (*Token, error) {
	if len(compact) > MaxSize {
		return nil, reject(ReasonTooLarge, "PK token over 128 KiB")
	}
	main, fresh, hasFresh := strings.Cut(compact, ".")
	fields := strings.Split(main, ":")
	if len(fields) != 5 && len(fields) != 7 {
		return nil, reject(ReasonMalformed, "expected payload and two or three signatures, separated by colons")
	}
	t := &Token{compact: compact, payload64: fields[0]}
	var err error
	if t.payload, t.claims, err = decodeObject(fields[0]); err != nil {
		return nil, rejectCause(ReasonMalformed, "payload", err)
	}
	if err := t.provider.decode(fields[1], fields[2]); err != nil {
		return nil, rejectCause(ReasonMalformed, "OP token", err)
	}
	if err := t.client.decode(fields[3], fields[4]); err != nil {
		return nil, rejectCause(ReasonMalformed, "CIC token", err)
	}
	if _, err := providerTokenType(t.provider.header); err != nil {
		return nil, rejectCause(ReasonTokenType, "OP token", err)
	}
	if typ := t.client.header["typ"]; typ != "CIC" {
		return nil, mismatch(ReasonTokenType, "client's token", "CIC", describe(typ))
	}
	if len(fields) == 7 {
		t.cosigner = &signedHeader{}
		if err := t.cosigner.decode(fields[5], fields[6]); err != nil {
			return nil, rejectCause(ReasonMalformed, "COS token", err)
		}
		if typ := t.cosigner.header["typ"]; typ != "COS" {
			return nil, mismatch(ReasonTokenType, "cosigner's token", "COS", describe(typ))
		}
	}
	if hasFresh {
		if t.refreshed, err = parseIDToken(fresh); err != nil {
			return nil, rejectCause(ReasonMalformed, "refreshed ID token", err)
		}
		if _, err := providerTokenType(t.refreshed.header); err != nil {
			return nil, rejectCause(ReasonTokenType, "refreshed ID token", err)
		}
	}
	return t, nil
}

func (h *signedHeader) decode(protected64, signature64 string) error {
	var err error
	h.protected64 = protected64
	if h.protected, h.header, err = decodeObject(protected64); err != nil {
		return err
	}
	h.signature, err = decodeBase64(signature64)
	return err
}

func decodeObject(encoded string) ([]byte, map[string]any, error) {
	data, err := decodeBase64(encoded)
	if err != nil {
		return nil, nil, err
	}
	object, err := ParseObject(data)
	return data, object, err
}

// parseIDToken reads a JWT in compact form (RFC 7519 §7.2) without verifying it.
func parseIDToken(compact string) (*idToken, error) {
	fields := strings.Split(compact, ".")
	if len(fields) != 3 {
		return nil, mismatch(ReasonMalformed, "ID token", "three parts", describe(len(fields)))
	}
	t := &idToken{payload64: fields[1]}
	if err := t.decode(fields[0], fields[2]); err != nil {
		return nil, err
	}
	var err error
	t.payload, t.claims, err = decodeObject(fields[1])
	return t, err
}

// Compact gives the compact form, byte for byte as it was parsed.
func (t *Token) Compact() string { return t.compact }

// IDToken gives the provider's ID token as a JWT, for a token whose provider signature was kept; ok is false for a GQ256 proof.
func (t *Token) IDToken() (jwt string, ok bool) {
	if t.provider.header["alg"] == AlgorithmGQ256 {
		return "", false
	}
	return t.provider.protected64 + "." + t.payload64 + "." + base64url.EncodeToString(t.provider.signature), true
}

// UnverifiedClaims are the ID token's claims, for display. Callers must not change what they point to.
func (t *Token) UnverifiedClaims() map[string]any { return maps.Clone(t.claims) }

// UnverifiedPayload is the ID token's payload as the provider encoded it, for display.
func (t *Token) UnverifiedPayload() []byte { return t.payload }

// UnverifiedHeaders are the protected headers of the OP token and the client's token, for display.
func (t *Token) UnverifiedHeaders() (provider, client map[string]any) {
	return t.provider.header, t.client.header
}

// UnverifiedRefreshedClaims are the claims of the refreshed ID token, nil without one.
func (t *Token) UnverifiedRefreshedClaims() map[string]any {
	if t.refreshed == nil {
		return nil
	}
	return t.refreshed.claims
}

// UnverifiedIssuer is the `iss` claim, or "".
func (t *Token) UnverifiedIssuer() string {
	iss, _ := t.claims["iss"].(string)
	return iss
}
