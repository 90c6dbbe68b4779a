package usercli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
)

// tokenReport is what a PK token says. Times are RFC 3339; an absent one is missing or no integer in the token.
type tokenReport struct {
	Issuer             string         `json:"issuer"`
	Subject            string         `json:"subject"`
	Email              string         `json:"email,omitempty"`
	Audience           []string       `json:"audience"`
	IssuedAt           *time.Time     `json:"issued_at,omitempty"`
	ExpiresAt          *time.Time     `json:"expires_at,omitempty"`
	RefreshedExpiresAt *time.Time     `json:"refreshed_expires_at,omitempty"`
	Nonce              string         `json:"nonce,omitempty"`
	Algorithm          string         `json:"algorithm"`
	SignedAlgorithm    string         `json:"signed_algorithm,omitempty"` // what a GQ256 proof proves
	KeyID              string         `json:"kid,omitempty"`
	Type               string         `json:"typ,omitempty"`
	UserAlgorithm      string         `json:"user_algorithm"`
	UserFingerprint    string         `json:"user_key_fingerprint,omitempty"`
	CertifiedKey       *bool          `json:"user_key_is_certified,omitempty"` // absent without a certificate
	UserSignature      string         `json:"user_signature"`                  // valid, or the reason why not
	Commitment         string         `json:"commitment"`                      // what the CIC protected header hashes to
	CommitmentIn       string         `json:"commitment_in"`                   // nonce, aud, cic, cnf, or nowhere
	Claims             map[string]any `json:"claims"`
}

// reportToken reads a token without verifying it. certified is the certificate's key, nil without one.
func reportToken(token *pktoken.Token, certified ssh.PublicKey) *tokenReport {
	claims := token.UnverifiedClaims()
	provider, client := token.UnverifiedHeaders()
	r := &tokenReport{
		Issuer:             text(claims["iss"]),
		Subject:            text(claims["sub"]),
		Email:              text(claims["email"]),
		Audience:           texts(claims["aud"]),
		IssuedAt:           timeClaim(claims["iat"]),
		ExpiresAt:          timeClaim(claims["exp"]),
		RefreshedExpiresAt: timeClaim(token.UnverifiedRefreshedClaims()["exp"]),
		Nonce:              text(claims["nonce"]),
		Algorithm:          text(provider["alg"]),
		KeyID:              text(provider["kid"]),
		Type:               text(provider["typ"]),
		UserAlgorithm:      text(client["alg"]),
		UserSignature:      signatureText(token.VerifyUser()),
		Commitment:         token.Commitment(),
		Claims:             claims,
	}
	if r.Algorithm == pktoken.AlgorithmGQ256 {
		r.SignedAlgorithm, r.KeyID = provenHeader(r.KeyID)
	}
	r.CommitmentIn = commitmentIn(r.Commitment, claims, provider, client)
	if key, err := token.UserKey(); err == nil {
		if key, err := ssh.NewPublicKey(key); err == nil {
			r.UserFingerprint = ssh.FingerprintSHA256(key)
			if certified != nil {
				same := bytes.Equal(key.Marshal(), certified.Marshal())
				r.CertifiedKey = &same
			}
		}
	}
	return r
}

// validity makes a false signature stand out.
func validity(signature string) string {
	return yesNo(signature == "valid", "valid", "NOT valid: "+signature)
}

// signatureText is valid, or the reason why a signature is not.
func signatureText(err error) string {
	var rejected *pktoken.RejectError
	if errors.As(err, &rejected) {
		return string(rejected.Reason)
	}
	return "valid"
}

// commitmentIn finds the place that commits to the user's key. Which place counts is the host's configuration to say.
func commitmentIn(commitment string, claims, provider, client map[string]any) string {
	switch {
	case claims["nonce"] == commitment:
		return "nonce"
	case claims["aud"] == commitment:
		return "aud"
	case provider["cic"] == commitment:
		return "cic"
	}
	confirmation, _ := claims["cnf"].(map[string]any)
	bound, _ := confirmation["jwk"].(map[string]any)
	user, _ := client["upk"].(map[string]any)
	if bound == nil || user == nil {
		return "nowhere"
	}
	// The members that go into a thumbprint (RFC 7638 §3.2, RFC 8037 §2).
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		if text(bound[name]) != text(user[name]) {
			return "nowhere"
		}
	}
	return "cnf"
}

// provenHeader reads the original protected header, which a GQ256 proof has as its kid.
func provenHeader(encoded string) (alg, kid string) {
	data, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", ""
	}
	header, err := pktoken.ParseObject(data)
	if err != nil {
		return "", ""
	}
	return text(header["alg"]), text(header["kid"])
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// texts reads a string or an array of strings.
func texts(value any) []string {
	list := []string{}
	switch v := value.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, item := range v {
			list = append(list, text(item))
		}
	}
	return list
}

func timeClaim(value any) *time.Time {
	number, _ := value.(json.Number)
	seconds, err := number.Int64()
	if err != nil || seconds < 0 {
		return nil
	}
	return unixTime(uint64(seconds))
}

func (r *tokenReport) print(t *terminal, now time.Time) {
	field := func(name, format string, args ...any) { t.result("  %-16s "+format, append([]any{name}, args...)...) }
	t.result("PK token (not verified: the provider was not asked)")
	field("issuer", "%s", orNone(r.Issuer))
	field("subject", "%s", orNone(r.Subject))
	field("email", "%s", orNone(r.Email))
	field("audience", "%s", orNone(strings.Join(r.Audience, ", ")))
	if r.IssuedAt != nil {
		field("issued", "%s", startText(*r.IssuedAt, now))
	}
	if r.ExpiresAt != nil {
		field("ID token", "%s", expiryText(*r.ExpiresAt, now))
	}
	if r.RefreshedExpiresAt != nil {
		field("refreshed", "%s", expiryText(*r.RefreshedExpiresAt, now))
	}
	field("provider key", "%s", r.providerKey())
	user := r.UserAlgorithm + " " + r.UserFingerprint
	if r.CertifiedKey != nil {
		user += yesNo(*r.CertifiedKey, ", the certificate's key", ", NOT the certificate's key")
	}
	field("user key", "%s", user)
	field("user signature", "%s", validity(r.UserSignature))
	field("nonce", "%s", orNone(r.Nonce))
	field("commitment", "%s", r.Commitment)
	field("committed in", "%s", yesNo(r.CommitmentIn == "nowhere", "NOWHERE: the ID token was made for another key", r.CommitmentIn))
	t.result("claims")
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		field(name, "%s", claimText(r.Claims[name]))
	}
}

func (r *tokenReport) providerKey() string {
	key := r.Algorithm
	if r.SignedAlgorithm != "" {
		key += fmt.Sprintf(" (a proof of %s)", r.SignedAlgorithm)
	}
	if r.KeyID != "" {
		key += ", kid " + r.KeyID
	}
	return key
}

// claimText shows a string as it is and everything else as JSON.
func claimText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
