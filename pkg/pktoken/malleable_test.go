package pktoken_test

import (
	"crypto/elliptic"
	"math/big"
	"testing"

	"opkssh/pkg/pktoken"
)

// negateS writes the CIC signature's other spelling, if it is one with ES256.
func negateS(t testing.TB, fields []string) []string {
	t.Helper()
	fields = append([]string{}, fields...)
	if sig := unb64(t, fields[4]); decode(t, unb64(t, fields[3]))["alg"] == "ES256" {
		s := new(big.Int).SetBytes(sig[32:])
		s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
		fields[4] = b64(sig)
	}
	return fields
}

// TestMalleable lists what anybody can change in a token that verifies. None of it changes the result, so nothing may take
// the compact form for an identity, such as in a list of revoked tokens.
func TestMalleable(t *testing.T) {
	own := func(p *parts) {
		text(func(s string) string {
			f := splitColons(s)
			return s + "." + f[1] + "." + f[0] + "." + f[2]
		})(p)
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"sign of s in the client's signature", func(p *parts) { p.fields = func(f []string) { copy(f, negateS(p.t, f)) } }, accepted},
		{"cosigner added", withCOS(`{"typ":"COS"}`), accepted},
		{"refreshed token left out", and(func(p *parts) { p.refreshed() }, text(func(s string) string {
			return splitDots(s)[0]
		})), accepted},
		{"ID token as its own refreshed one", own, accepted},
		{"and it does not lengthen", and(own, expiry(pktoken.ExpiryOIDCRefreshed, 0), at(3600)), pktoken.ReasonExpired},
	})
}
