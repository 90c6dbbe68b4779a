package pktoken_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func clientInstance(t testing.TB, user crypto.Signer, extra map[string]any) *pktoken.ClientInstance {
	t.Helper()
	c, err := pktoken.NewClientInstance(rand.Reader, user, extra)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// leadingZero is a P-256 key with a coordinate that starts with a zero byte, which a JWK has to keep.
func leadingZero(t testing.TB) crypto.Signer {
	t.Helper()
	for {
		key := pktokentest.UserKey(t)
		point, err := key.Public().(*ecdsa.PublicKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if point[1] == 0 || point[33] == 0 {
			return key
		}
	}
}

// TestBind: what is made is verified, for each kind of key and of row.
func TestBind(t *testing.T) {
	users := map[string]crypto.Signer{"P-256": pktokentest.UserKey(t), "P-256 with a zero byte": leadingZero(t), "Ed25519": ed25519Key(t)}
	op := pktokentest.NewIssuer(t, issuerURL, "RS256")
	keySet := pktokentest.KeySet(t, op)
	for name, user := range users {
		for kind, gq := range map[pktoken.Commitment]bool{
			pktoken.CommitmentNonce: false, pktoken.CommitmentAudience: true, pktoken.CommitmentGQ: true,
		} {
			t.Run(name+" "+kind.String(), func(t *testing.T) {
				client := clientInstance(t, user, nil)
				claims := object{}
				switch kind {
				case pktoken.CommitmentNonce:
					claims["nonce"] = client.Commitment()
				case pktoken.CommitmentAudience:
					claims["aud"] = client.Commitment()
				case pktoken.CommitmentGQ:
					claims["aud"] = "OPENPUBKEY-PKTOKEN:infra"
				}
				jwt := op.IDToken(t, claims)
				v := &pktoken.Verifier{Keys: keySet, Providers: []pktoken.Provider{{Issuer: issuerURL, ClientID: clientID, Commitment: kind}}}
				check := func(token *pktoken.Token, err error, wantJWT bool) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := v.Verify(context.Background(), token); err != nil {
						t.Error(err)
					}
					if got, ok := token.IDToken(); ok != wantJWT || ok && got != jwt {
						t.Errorf("ID token: got %q, %v", got, ok)
					}
					if key, err := token.UserKey(); err != nil || !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(user.Public()) {
						t.Errorf("user key: got %v, %v", key, err)
					}
					if signature := splitDots(jwt)[2]; !wantJWT && strings.Contains(token.Compact(), signature) {
						t.Error("the provider's signature is in the token")
					}
				}
				if !gq {
					token, err := client.Bind(jwt)
					check(token, err, true)
				}
				secret := []byte(jwt)
				token, err := client.BindGQ(secret, keySet[issuerURL], kind)
				check(token, err, false)
				wantWiped(t, jwt, secret)
			})
		}
	}
}

// wantWiped: nothing is left of the signature of jwt in the buffer that held it.
func wantWiped(t *testing.T, jwt string, buffer []byte) {
	t.Helper()
	signature := splitDots(jwt)[2]
	if got := buffer[len(buffer)-len(signature):]; !bytes.Equal(got, make([]byte, len(signature))) {
		t.Errorf("the provider's signature is still in memory: %q", got)
	}
}

// TestGQWipesOnError: an ID token that no proof can be made of is as secret as any.
func TestGQWipesOnError(t *testing.T) {
	op := pktokentest.NewIssuer(t, issuerURL, "RS256")
	jwt := op.IDToken(t, nil)
	header := splitDots(jwt)[0]
	for name, text := range map[string]string{
		"key":      jwt,
		"header":   "x" + jwt,
		"base64":   jwt + "!",
		"line end": jwt + "\n",
		"parts":    header + "." + jwt,
	} {
		t.Run(name, func(t *testing.T) {
			secret := []byte(text)
			if _, err := clientInstance(t, pktokentest.UserKey(t), nil).BindGQ(secret, &pktoken.JWKS{}, 0); err == nil {
				t.Fatal("a proof")
			}
			wantWiped(t, text, secret)
		})
	}
}

// TestGQHeader: the proof's header is as the format says, to the byte.
func TestGQHeader(t *testing.T) {
	op := pktokentest.NewIssuer(t, issuerURL, "RS256")
	for kind, cic := range map[pktoken.Commitment]bool{
		pktoken.CommitmentNonce: false, pktoken.CommitmentAudience: false, pktoken.CommitmentGQ: true,
	} {
		client := clientInstance(t, pktokentest.UserKey(t), nil)
		jwt := op.IDToken(t, nil)
		token, err := client.BindGQ([]byte(jwt), pktokentest.KeySet(t, op)[issuerURL], kind)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"alg":"GQ256",`
		if cic {
			want += `"cic":"` + client.Commitment() + `",`
		}
		want += `"jkt":"` + thumbprint(t, publicRSA(op)) + `","kid":"` + splitDots(jwt)[0] + `","typ":"JWT"}`
		if got := string(unb64(t, splitColons(token.Compact())[1])); got != want {
			t.Errorf("%s: expected %s, got %s", kind, want, got)
		}
	}
}

func TestBindRefuses(t *testing.T) {
	rs, es := issuers()["RS256"], issuers()["ES256"]
	sign := func(op *pktokentest.Issuer, header object) string {
		return op.Sign(t, header, []byte(`{}`))
	}
	good := sign(rs, rs.Header())
	twice, err := pktoken.ParseJWKS(pktokentest.JWKS(t, rs.JWK(t), rs.JWK(t)))
	if err != nil {
		t.Fatal(err)
	}
	keys := pktokentest.KeySet(t, rs)[issuerURL]
	otherKey := rs.JWK(t)
	otherKey["n"] = pktokentest.PublicJWK(t, strangerRSA().Public())["n"]
	otherKeys, err := pktoken.ParseJWKS(pktokentest.JWKS(t, otherKey))
	if err != nil {
		t.Fatal(err)
	}
	client := clientInstance(t, pktokentest.UserKey(t), nil)
	for _, c := range []struct {
		name string
		make func() (*pktoken.Token, error)
		want pktoken.Reason
	}{
		{"no JWT", func() (*pktoken.Token, error) { return client.Bind("x") }, pktoken.ReasonMalformed},
		{"no JWT, proof", func() (*pktoken.Token, error) { return client.BindGQ([]byte("x"), keys, 0) }, pktoken.ReasonMalformed},
		{"line break, proof", func() (*pktoken.Token, error) { return client.BindGQ([]byte(good+"\n"), keys, 0) }, pktoken.ReasonMalformed},
		{"no signature, proof", func() (*pktoken.Token, error) {
			return client.BindGQ([]byte(good[:strings.LastIndex(good, ".")+1]), keys, 0)
		}, pktoken.ReasonSignature},
		{"five parts", func() (*pktoken.Token, error) { return client.Bind(good + ".AA.AA") }, pktoken.ReasonMalformed},
		{"line break", func() (*pktoken.Token, error) { return client.Bind(good + "\n") }, pktoken.ReasonMalformed},
		{"logout token", func() (*pktoken.Token, error) {
			return client.Bind(sign(rs, object{"alg": "RS256", "typ": "logout+jwt"}))
		}, pktoken.ReasonTokenType},
		{"too large", func() (*pktoken.Token, error) {
			return client.Bind(rs.Sign(t, rs.Header(), []byte(`{"x":"`+strings.Repeat("x", pktoken.MaxSize)+`"}`)))
		}, pktoken.ReasonTooLarge},
		{"proof of ES256", func() (*pktoken.Token, error) { return client.BindGQ([]byte(sign(es, es.Header())), keys, 0) }, pktoken.ReasonAlgorithm},
		{"proof, unknown kid", func() (*pktoken.Token, error) {
			return client.BindGQ([]byte(sign(rs, object{"alg": "RS256", "kid": "key-2"})), keys, 0)
		}, pktoken.ReasonNoKey},
		{"proof, kid a number", func() (*pktoken.Token, error) {
			return client.BindGQ([]byte(sign(rs, object{"alg": "RS256", "kid": 1})), keys, 0)
		}, pktoken.ReasonNoKey},
		{"proof, two keys", func() (*pktoken.Token, error) { return client.BindGQ([]byte(good), twice, 0) }, pktoken.ReasonNoKey},
		{"proof, another key", func() (*pktoken.Token, error) { return client.BindGQ([]byte(good), otherKeys, 0) }, pktoken.ReasonSignature},
		{"proof of a false signature", func() (*pktoken.Token, error) {
			f := splitDots(good)
			return client.BindGQ([]byte(f[0]+"."+f[1]+"."+b64(flip(unb64(t, f[2])))), keys, 0)
		}, pktoken.ReasonSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := c.make()
			wantReason(t, err, c.want)
			if token != nil {
				t.Error("there is a token beside the error")
			}
		})
	}
}

// TestClientHeaderBytes: canonical JSON, to the byte.
func TestClientHeaderBytes(t *testing.T) {
	user := pktokentest.UserKey(t)
	random := bytes.Repeat([]byte{0xab}, 32)
	client, err := pktoken.NewClientInstance(bytes.NewReader(random), user, object{
		"zz": "<&>\u2028\u2029", "aa": object{"b": 1, "a": []any{true, nil}}, "é": "ü",
	})
	if err != nil {
		t.Fatal(err)
	}
	key := pktokentest.PublicJWK(t, user.Public())
	want := `{"aa":{"a":[true,null],"b":1},"alg":"ES256","rz":"` + strings.Repeat("ab", 32) + `","typ":"CIC",` +
		`"upk":{"alg":"ES256","crv":"P-256","kty":"EC","x":"` +
		key["x"].(string) + `","y":"` + key["y"].(string) + `"},"zz":"\u003c\u0026\u003e\u2028\u2029","é":"ü"}`
	if got := client.Commitment(); got != commitment([]byte(want)) {
		t.Errorf("expected the commitment of %s", want)
	}
}

func TestClientHeaderOfEd25519(t *testing.T) {
	user := ed25519Key(t)
	client := clientInstance(t, user, nil)
	token, err := client.Bind(issuers()["ES256"].IDToken(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, header := token.UnverifiedHeaders()
	want := `{"alg":"EdDSA","rz":"` + header["rz"].(string) + `","typ":"CIC","upk":{"alg":"EdDSA","crv":"Ed25519","kty":"OKP","x":"` +
		b64(user.Public().(ed25519.PublicKey)) + `"}}`
	if got := string(unb64(t, splitColons(token.Compact())[3])); got != want {
		t.Errorf("expected %s, got %s", want, got)
	}
}

// TestClientInstancesDiffer: two of one key have nothing but the key in common.
func TestClientInstancesDiffer(t *testing.T) {
	user := pktokentest.UserKey(t)
	first, second := clientInstance(t, user, nil), clientInstance(t, user, nil)
	if first.Commitment() == second.Commitment() {
		t.Error("the same commitment twice")
	}
}

func TestNewClientInstanceRefuses(t *testing.T) {
	p256 := pktokentest.UserKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		user   crypto.Signer
		random []byte
		extra  map[string]any
	}{
		{"RSA", strangerRSA(), make([]byte, 32), nil},
		{"P-384", p384, make([]byte, 32), nil},
		{"another kind of key", oddSigner{p256}, make([]byte, 32), nil},
		{"little random", p256, make([]byte, 31), nil},
		{"alg", p256, make([]byte, 32), object{"alg": "ES256"}},
		{"rz", p256, make([]byte, 32), object{"rz": ""}},
		{"typ", p256, make([]byte, 32), object{"typ": nil}},
		{"upk", p256, make([]byte, 32), object{"upk": object{}}},
		{"what JSON cannot say", p256, make([]byte, 32), object{"x": func() {}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if client, err := pktoken.NewClientInstance(bytes.NewReader(c.random), c.user, c.extra); err == nil || client != nil {
				t.Errorf("expected an error, got %v", client)
			}
		})
	}
	if _, err := pktoken.NewClientInstance(rand.Reader, p256, object{"Typ": "x"}); err != nil {
		t.Errorf("a name in other case: %v", err)
	}
}

// TestExtraStaysTheCallers: the map of further members is not written to.
func TestExtraStaysTheCallers(t *testing.T) {
	extra := object{"x": 1}
	clientInstance(t, pktokentest.UserKey(t), extra)
	if len(extra) != 1 {
		t.Errorf("got %v", extra)
	}
}

type oddSigner struct{ crypto.Signer }

func (oddSigner) Public() crypto.PublicKey { return "key" }

// failingSigner is a key that does not work, such as one whose token was pulled out.
type failingSigner struct{ crypto.Signer }

func (failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errPulled
}

var errPulled = errors.New("no such device")

func TestSignerFails(t *testing.T) {
	client := clientInstance(t, failingSigner{pktokentest.UserKey(t)}, nil)
	if _, err := client.Bind(issuers()["ES256"].IDToken(t, nil)); !errors.Is(err, errPulled) {
		t.Errorf("expected the signer's error, got %v", err)
	}
}

func TestWithRefreshed(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	main, err := pktoken.Parse(p.compact())
	if err != nil {
		t.Fatal(err)
	}
	jwt := func(exp int64) string {
		f := p.refreshed()
		f.claims["exp"] = exp
		return f.compact(t)
	}
	first, second := jwt(now+4000), jwt(now+8000)
	for _, c := range []struct {
		name string
		jwts []string
		want string
	}{
		{"first", []string{first}, main.Compact() + "." + first},
		{"second", []string{first, second}, main.Compact() + "." + second},
		{"same again", []string{first, first}, main.Compact() + "." + first},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := main
			for _, jwt := range c.jwts {
				if token, err = token.WithRefreshed(jwt); err != nil {
					t.Fatal(err)
				}
			}
			if token.Compact() != c.want {
				t.Error("not what was put together")
			}
			if _, err := p.verifier().Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
			if id, ok := token.IDToken(); !ok || id == first || id == second {
				t.Error("the original ID token is lost")
			}
		})
	}
	for _, bad := range []string{"", "x", first + "." + first, first + "\n", splitDots(first)[0]} {
		_, err := main.WithRefreshed(bad)
		wantReason(t, err, pktoken.ReasonMalformed)
	}
	if main.UnverifiedRefreshedClaims() != nil {
		t.Error("the token that was added to changed")
	}
}

// TestVectorsSignedAgain makes each vector's CIC signature anew with the vector's private key.
func TestVectorsSignedAgain(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			user := v.privateKey(t)
			main, fresh, _ := strings.Cut(v.PKToken, ".")
			f := splitColons(main)
			if got := commitment(unb64(t, f[3])); got != v.CICHash {
				t.Errorf("commitment: expected %s, got %s", v.CICHash, got)
			}
			f[4] = b64(signAs(t, user, "", f[3]+"."+f[0]))
			compact := joinColons(f)
			if fresh != "" {
				compact += "." + fresh
			}
			token, err := pktoken.Parse(compact)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.verifier(t).Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
			// Another's signature does not do.
			f[4] = b64(signAs(t, pktokentest.UserKey(t), "", f[3]+"."+f[0]))
			if token, err = pktoken.Parse(joinColons(f)); err != nil {
				t.Fatal(err)
			}
			_, err = v.verifier(t).Verify(context.Background(), token)
			wantReason(t, err, pktoken.ReasonClientSignature)
		})
	}
}

// TestVectorHeadersAreCanonical: our encoder writes the vectors' CIC headers byte for byte.
func TestVectorHeadersAreCanonical(t *testing.T) {
	for _, v := range vectors(t) {
		header := unb64(t, splitColons(v.PKToken)[3])
		members := decode(t, header)
		random := unhex(t, members["rz"].(string))
		for _, name := range []string{"alg", "rz", "typ", "upk"} {
			delete(members, name)
		}
		client, err := pktoken.NewClientInstance(bytes.NewReader(random), v.privateKey(t), members)
		if err != nil {
			t.Fatal(err)
		}
		if client.Commitment() != v.CICHash {
			t.Errorf("%s: expected the bytes %s", v.Name, header)
		}
	}
}

// TestVectorsUnderOtherRows: no vector verifies under another kind of commitment.
func TestVectorsUnderOtherRows(t *testing.T) {
	for _, v := range vectors(t) {
		for kind := range pktoken.Commitment(4) {
			if kind.String() == v.Commitment {
				continue
			}
			token, err := pktoken.Parse(v.PKToken)
			if err != nil {
				t.Fatal(err)
			}
			verifier := v.verifier(t)
			verifier.Providers[0].Commitment = kind
			if _, err := verifier.Verify(context.Background(), token); err == nil {
				t.Errorf("%s verifies under %s", v.Name, kind)
			}
		}
	}
}

func (v vector) privateKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ssh.ParseRawPrivateKey([]byte(v.PrivateKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := key.(*ed25519.PrivateKey); ok {
		return *k
	}
	return key.(crypto.Signer)
}

// TestFixturesAreRight: the helpers for tests of other packages make tokens that verify.
func TestFixturesAreRight(t *testing.T) {
	v := pktokentest.NewIssuer(t, issuerURL, "EdDSA").Verified(t, pktokentest.UserKey(t), object{"email": "alice@example.com"})
	if v.Email() != "alice@example.com" || time.Since(v.IssuedAt()) > time.Hour {
		data, _ := json.Marshal(v.Claims())
		t.Errorf("got %s", data)
	}
}
