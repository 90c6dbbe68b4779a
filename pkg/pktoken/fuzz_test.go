package pktoken_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// compactSeeds are the vectors, and tokens of the tables with one thing wrong.
func compactSeeds(t testing.TB) []string {
	var seeds []string
	for _, v := range vectors(t) {
		seeds = append(seeds, v.PKToken)
	}
	for kind, rows := range map[pktoken.Commitment][]row{
		pktoken.CommitmentNonce: append(badRefreshed, wrongCommitments...), pktoken.CommitmentGQ: wrongCommitments[:2],
	} {
		for _, r := range rows {
			p := newParts(t, kind)
			r.change(p)
			seeds = append(seeds, p.compact())
		}
	}
	whole := seeds[0]
	return append(seeds, "", ":", "::::", "::::::", ".", "....", "e30:e30::e30:", "e30:e30::eyJ0eXAiOiJDSUMifQ:", "e31:e30::e30:",
		whole+":", whole+".", whole+":eyJ0eXAiOiJDT1MifQ:", whole+":eyJ0eXAiOiJDT1MifQ:.e30.e30.", whole+"\n", whole+"=",
		strings.Replace(whole, ":", "::", 1))
}

// FuzzParse: what is read can be put together again to the very same text.
func FuzzParse(f *testing.F) {
	for _, seed := range compactSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, compact string) {
		var token *pktoken.Token
		var err error
		allocation.Check(t, len(compact), func() { token, err = pktoken.Parse(compact) })
		if err != nil {
			reasonOf(t, err)
			if token != nil {
				t.Error("there is a token beside the error")
			}
			return
		}
		if token.Compact() != compact {
			t.Error("the compact form changed")
		}
		main, _, _ := strings.Cut(compact, ".")
		fields := splitColons(main)
		if b64(token.UnverifiedPayload()) != fields[0] {
			t.Error("the payload is not what its text says")
		}
		for _, i := range []int{1, 2, 3, 4} {
			if b64(unb64(t, fields[i])) != fields[i] {
				t.Errorf("field %d has a second spelling", i)
			}
		}
		if jwt, ok := token.IDToken(); ok && jwt != fields[1]+"."+fields[0]+"."+fields[2] {
			t.Error("the ID token is not what the fields say")
		}
		provider, client := token.UnverifiedHeaders()
		for _, o := range []object{token.UnverifiedClaims(), provider, client, token.UnverifiedRefreshedClaims()} {
			if _, err := json.Marshal(o); err != nil {
				t.Error(err)
			}
		}
		_, _ = token.UserKey() // must not panic
		if len(compact) < pktoken.MaxSize/2 {
			with, err := token.WithRefreshed("e30.e30.")
			if err != nil || !strings.HasSuffix(with.Compact(), ".e30.e30.") || strings.Count(with.Compact(), ".") != 3 {
				t.Errorf("with a refreshed token: %v", err)
			}
		}
	})
}

// FuzzParseObject: what is read, encoding/json reads too, and to the same.
func FuzzParseObject(f *testing.F) {
	for _, v := range vectors(f) {
		for _, field := range splitColons(v.PKToken)[:2] {
			f.Add(unb64(f, field))
		}
	}
	for _, seed := range []string{
		"", "{}", " {} ", "[]", "null", `{"a":1,"a":1}`, `{"a":{"b":[{"c":null},true,false,"\ud83d\ude00"]}}`, `{"a":"\ud800"}`, `{"a":1e400}`,
		`{"a":-0}`, `{"a":01}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":nul}`, `{"":""}`, "\xef\xbb\xbf{}", "{\"\xff\":1}", `{"a":1}{}`, `{"\u0000":"\u0000"}`,
		strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64), strings.Repeat(`{"a":`, 65),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got object
		var err error
		allocation.Check(t, len(data), func() { got, err = pktoken.ParseObject(data) })
		if err != nil {
			if got != nil {
				t.Error("there is an object beside the error")
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want object
		if err := d.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses: %v", err)
		}
		if _, err := d.Token(); err != io.EOF {
			t.Error("encoding/json finds more")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("expected %v, got %v", want, got)
		}
	})
}

// FuzzParseJWKS: no key set makes verifying panic, or makes a false signature right.
func FuzzParseJWKS(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.JWKS))
	}
	for _, op := range issuers() {
		f.Add(pktokentest.JWKS(f, op.JWK(f)))
	}
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":[{}]}`, `{"keys":[null,1]}`, `{"keys":{}}`, `{"keys":[{"kty":"oct","k":"AA","kid":"key-1"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"key-1"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"key-1"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`, `{"keys":[{"kty":"RSA","KTY":"EC","use":1,"alg":null,"key_ops":[{}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	var tokens []*pktoken.Token
	for alg := range issuers() {
		p := newParts(f, pktoken.CommitmentNonce)
		p.signWith(alg)
		p.opSig = flip
		tokens = append(tokens, mustParse(f, p.compact()))
	}
	p := newParts(f, pktoken.CommitmentNonce)
	p.gq()
	p.opSig = flip
	tokens = append(tokens, mustParse(f, p.compact()))
	base := p.verifier()
	f.Fuzz(func(t *testing.T, data []byte) {
		var set *pktoken.JWKS
		var err error
		allocation.Check(t, len(data), func() {
			if set, err = pktoken.ParseJWKS(data); err == nil && (len(set.KeyIDs()) > len(data) || set.Usable() > len(data)) {
				t.Error("more keys than bytes")
			}
		})
		if err != nil {
			return
		}
		v := pktoken.Verifier{Providers: base.Providers, Keys: pktoken.StaticKeySet{issuerURL: set}, Now: base.Now}
		for _, token := range tokens {
			if _, err := v.Verify(context.Background(), token); reasonOf(t, err) == accepted {
				t.Error("a false signature is right")
			}
		}
	})
}

// FuzzWithUserinfo: what the endpoint says about somebody else is refused, and changes nothing that the ID token says.
func FuzzWithUserinfo(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"user-1"}`, `{"sub":"user-2"}`, `{"sub":["user-1"]}`, `{}`, `{"sub":"user-1","email":"b@example.com","email_verified":true,"groups":["a"]}`,
		`{"sub":"user-1","iss":"x","iat":0,"exp":9e9,"nonce":1,"cnf":{}}`, `{"sub":"user-1","email":"a@example.com","email_verified":"true"}`, `{"sub":"user-1","SUB":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	all := []*pktoken.Verified{
		verified(f, object{"sub": "user-1"}),
		verified(f, object{"sub": "user-1", "email": "a@example.com", "groups": []string{"own"}}),
		verified(f, object{"sub": "user-1", "email": "a@example.com", "email_verified": false}),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		userinfo, err := pktoken.ParseObject(data)
		if err != nil {
			return
		}
		for _, v := range all {
			own := v.Claims()
			with, err := v.WithUserinfo(userinfo)
			if (err == nil) != (userinfo["sub"] == "user-1") || (err == nil) != (with != nil) {
				t.Fatalf("%s: got %v, %v", data, with, err)
			}
			if !reflect.DeepEqual(v.Claims(), own) {
				t.Fatalf("%s changes the claims themselves: %v", data, v.Claims())
			}
			if err != nil {
				continue
			}
			for name, value := range own {
				if got, _ := with.Claim(name); name != "email_verified" && !reflect.DeepEqual(got, value) {
					t.Errorf("%s: expected %s to stay %v, got %v", data, name, value, got)
				}
			}
			if own["email"] != nil && userinfo["email"] != own["email"] && with.EmailVerified() != v.EmailVerified() {
				t.Errorf("%s: it has verified another email", data)
			}
			if with.IssuedAt() != v.IssuedAt() || with.ExpiresAt() != v.ExpiresAt() || with.Issuer() != v.Issuer() {
				t.Errorf("%s: the time or the issuer is another", data)
			}
		}
	})
}

func mustParse(t testing.TB, compact string) *pktoken.Token {
	t.Helper()
	token, err := pktoken.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// FuzzVerify: whatever verifies under a vector's keys says what the vector says. Payload and both headers are equal to the
// byte, and so are the signatures, but for ECDSA, of which (r, n-s) is another spelling that anybody can write. A COS token
// can be anything, since nothing relies on it, and a refreshed token is one that the provider has signed.
func FuzzVerify(f *testing.F) {
	all := vectors(f)
	var verifiers []*pktoken.Verifier
	var signed [][]string // header.payload of what the provider has signed
	for i, v := range all {
		main, fresh, _ := strings.Cut(v.PKToken, ".")
		fields := splitColons(main)
		id := fields[1] + "." + fields[0] + "." + fields[2]
		verifiers = append(verifiers, v.verifier(f))
		signed = append(signed, []string{withoutSignature(id), withoutSignature(fresh)})
		for _, seed := range []string{
			v.PKToken, main, main + "." + id, main + ":eyJ0eXAiOiJDT1MifQ:AA", strings.Join(fields[:5], ":") + ":", joinColons(negateS(f, fields)),
		} {
			f.Add(uint8(i), seed)
		}
		f.Add(uint8(i), all[(i+1)%len(all)].PKToken)
	}
	f.Fuzz(func(t *testing.T, index uint8, compact string) {
		i := int(index) % len(all)
		token, err := pktoken.Parse(compact)
		if err != nil {
			return
		}
		var v *pktoken.Verified
		allocation.Check(t, len(compact), func() { v, err = verifiers[i].Verify(context.Background(), token) })
		if reasonOf(t, err) != accepted {
			return
		}
		main, fresh, hasFresh := strings.Cut(compact, ".")
		wantMain, _, _ := strings.Cut(all[i].PKToken, ".")
		got, want := splitColons(main), splitColons(wantMain)
		for _, k := range []int{0, 1, 3} {
			if got[k] != want[k] {
				t.Errorf("field %d differs", k)
			}
		}
		provider, client := token.UnverifiedHeaders()
		if provider["alg"] != "ES256" && provider["alg"] != "ES384" && got[2] != want[2] {
			t.Error("the provider's signature differs")
		}
		if client["alg"] != "ES256" && got[4] != want[4] {
			t.Error("the client's signature differs")
		}
		if hasFresh && !slices.Contains(signed[i], withoutSignature(fresh)) {
			t.Error("the refreshed token was never signed")
		}
		if v.Issuer() != all[i].Issuer || v.IssuedAt().Unix() != all[i].IssuedAt {
			t.Error("the result is another")
		}
	})
}

func withoutSignature(jwt string) string {
	if i := strings.LastIndex(jwt, "."); i >= 0 {
		return jwt[:i]
	}
	return jwt
}
