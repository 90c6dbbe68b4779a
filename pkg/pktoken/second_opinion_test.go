package pktoken_test

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// joseKey is a JWK as go-jose reads it.
func joseKey(t testing.TB, jwk object) *jose.JSONWebKey {
	t.Helper()
	data, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	key := &jose.JSONWebKey{}
	if err := key.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return key
}

// joseVerifies asks go-jose about one of the two signatures of a PK token.
func joseVerifies(key *jose.JSONWebKey, alg, protected64, payload64, signature64 string) bool {
	jws, err := jose.ParseSignedCompact(protected64+"."+payload64+"."+signature64, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		return false
	}
	_, err = jws.Verify(key)
	return err == nil
}

// TestSecondOpinion: what go-jose signs verifies here, what is made here verifies there, and neither takes it when it was
// changed.
func TestSecondOpinion(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	users := []struct {
		alg string
		set func(*parts)
	}{
		{"ES256", func(*parts) {}}, {"EdDSA", userEd25519}, {"RS256", func(p *parts) { p.setUser(strangerRSA()) }},
	}
	for alg := range issuers() {
		for _, user := range users {
			t.Run(alg+" "+user.alg, func(t *testing.T) {
				p := newParts(t, pktoken.CommitmentNonce)
				user.set(p)
				p.signWith(alg)
				p.claims["x"] = fmt.Sprint(random.Uint64())
				p.fields = func(f []string) {
					f[1], f[2] = joseSign(t, p, unb64(t, f[0]))
				}
				ours := func(f []string) pktoken.Reason {
					q := *p
					q.fields = func(g []string) { copy(g, f) }
					_, err := q.verify()
					return reasonOf(t, err)
				}
				opKey, userKey := joseKey(t, p.keys[0]), joseKey(t, p.upk())
				theirs := func(f []string) bool {
					return joseVerifies(opKey, alg, f[1], f[0], f[2]) && joseVerifies(userKey, user.alg, f[3], f[0], f[4])
				}

				f := splitColons(p.compact())
				if got := ours(f); got != accepted {
					t.Errorf("signed by go-jose, refused here: %s", got)
				}
				if !theirs(f) {
					t.Error("signed here, refused by go-jose")
				}
				for range 40 {
					g, field := append([]string{}, f...), random.IntN(len(f))
					data := unb64(t, g[field])
					data[random.IntN(len(data))] ^= 1 << random.IntN(8)
					g[field] = b64(data)
					if got := ours(g); got == accepted {
						t.Errorf("field %d changed and accepted here: %q", field, data)
					}
					if theirs(g) {
						t.Errorf("field %d changed and accepted by go-jose: %q", field, data)
					}
				}
			})
		}
	}
}

// joseSign gives header and signature of a JWS that go-jose makes.
func joseSign(t testing.TB, p *parts, payload []byte) (protected64, signature64 string) {
	t.Helper()
	key := jose.JSONWebKey{Key: p.op.Key(), KeyID: p.op.Kid}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(p.op.Alg), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	fields := splitDots(compact)
	return fields[0], fields[2]
}

// TestThumbprintSecondOpinion: a binding to the key that go-jose encodes is one to ours.
func TestThumbprintSecondOpinion(t *testing.T) {
	for range 20 {
		user := leadingZero(t)
		data, err := (&jose.JSONWebKey{Key: user.Public()}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		p := newParts(t, pktoken.CommitmentKeyBinding)
		p.setUser(user)
		p.claims["cnf"] = object{"jwk": decode(t, data)}
		if _, err := p.verify(); err != nil {
			t.Error(err)
		}
	}
}

// TestBoundTokenSecondOpinion: go-jose takes both signatures of a token that Bind made.
func TestBoundTokenSecondOpinion(t *testing.T) {
	op := issuers()["ES384"]
	for name, user := range map[string]crypto.Signer{"ES256": pktokentest.UserKey(t), "EdDSA": ed25519Key(t)} {
		client, err := pktoken.NewClientInstance(rand.Reader, user, nil)
		if err != nil {
			t.Fatal(err)
		}
		token, err := client.Bind(op.IDToken(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		f := splitColons(token.Compact())
		if !joseVerifies(joseKey(t, op.JWK(t)), "ES384", f[1], f[0], f[2]) {
			t.Errorf("%s: go-jose refuses the OP token", name)
		}
		if !joseVerifies(joseKey(t, pktokentest.PublicJWK(t, user.Public())), name, f[3], f[0], f[4]) {
			t.Errorf("%s: go-jose refuses the CIC token", name)
		}
	}
}
