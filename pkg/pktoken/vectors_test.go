package pktoken_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
)

// vector is one entry of testdata/pktoken.json, made by another implementation.
type vector struct {
	Name          string          `json:"name"`
	Issuer        string          `json:"issuer"`
	ClientID      string          `json:"client_id"`
	Commitment    string          `json:"commitment"`
	JWKS          json.RawMessage `json:"jwks"`
	PKToken       string          `json:"pk_token"`
	PrivateKeyPEM string          `json:"private_key_pem"`
	CICHash       string          `json:"cic_hash"`
	IssuedAt      int64           `json:"issued_at"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/pktoken.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	return all
}

func (v vector) verifier(t testing.TB) *pktoken.Verifier {
	t.Helper()
	keys, err := pktoken.ParseJWKS(v.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	commitment, ok := pktoken.ParseCommitment(v.Commitment)
	if !ok {
		t.Fatalf("commitment %q", v.Commitment)
	}
	return &pktoken.Verifier{
		Providers: []pktoken.Provider{{
			Issuer: v.Issuer, ClientID: v.ClientID, Commitment: commitment,
			AllowAccessTokenType: v.Name == "typ-at-jwt",
		}},
		Keys: pktoken.StaticKeySet{v.Issuer: keys},
		Now:  func() time.Time { return time.Unix(v.IssuedAt+5, 0) },
	}
}

func TestVectorsVerify(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			token, err := pktoken.Parse(v.PKToken)
			if err != nil {
				t.Fatal(err)
			}
			verified, err := v.verifier(t).Verify(context.Background(), token)
			if err != nil {
				t.Fatal(err)
			}
			if token.Compact() != v.PKToken {
				t.Error("the compact form changed")
			}
			if got := verified.IssuedAt().Unix(); got != v.IssuedAt {
				t.Errorf("iat: expected %d, got %d", v.IssuedAt, got)
			}
			if verified.Issuer() != v.Issuer || verified.Subject() == "" {
				t.Errorf("issuer %q, subject %q", verified.Issuer(), verified.Subject())
			}
		})
	}
}
