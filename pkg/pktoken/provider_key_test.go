package pktoken_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

func kid(value any) func(*parts) { return func(p *parts) { p.header["kid"] = value } }

func setKey(name string, value any) func(*parts) {
	return func(p *parts) {
		if p.keys[0][name] = value; value == nil {
			delete(p.keys[0], name)
		}
	}
}

// strangers adds n keys of other issuers, before or after the right one, all with its kid.
func strangers(before, after int) func(*parts) {
	return func(p *parts) {
		other := func() object { return pktokentest.NewIssuer(p.t, issuerURL, "ES256").JWK(p.t) }
		for range before {
			p.keys = append([]object{other()}, p.keys...)
		}
		for range after {
			p.keys = append(p.keys, other())
		}
	}
}

// noKeyIDs leaves kid out of the token and of the keys.
func noKeyIDs(p *parts) {
	p.header["kid"] = nil
	for _, key := range p.keys {
		delete(key, "kid")
	}
}

func TestProviderKey(t *testing.T) {
	none := pktoken.ReasonNoKey
	rs := signedWith("RS256")
	oct := object{"kty": "oct", "k": b64([]byte("secret")), "kid": "key-1"}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"nothing but the key", and(setKey("alg", nil), setKey("use", nil)), accepted},
		{"key_ops with verify", setKey("key_ops", []string{"sign", "verify"}), accepted},
		{"unknown members", setKey("x5t", "x"), accepted},
		{"odd x5c", setKey("x5c", 1), accepted},

		{"use enc", setKey("use", "enc"), none},
		{"use in other case", setKey("use", "SIG"), none},
		{"use empty", setKey("use", ""), none},
		{"use null", setKey("use", raw("null")), none},
		{"use a number", setKey("use", 1), none},
		{"key_ops without verify", setKey("key_ops", []string{"sign"}), none},
		{"key_ops empty", setKey("key_ops", []string{}), none},
		{"key_ops a string", setKey("key_ops", "verify"), none},
		{"key_ops odd", setKey("key_ops", []any{object{}, []int{}}), none},
		{"another alg", setKey("alg", "ES384"), none},
		{"alg in other case", setKey("alg", "es256"), none},
		{"alg a number", setKey("alg", 256), none},
		{"alg null", setKey("alg", raw("null")), none},
		{"RS256 token, key for PS256", and(rs, setKey("alg", "PS256")), none},
		{"PS256 token, key for RS256", and(signedWith("PS256"), setKey("alg", "RS256")), none},
		{"RS256 token, encryption key", and(rs, setKey("alg", "RSA-OAEP")), none},
		{"proof, key for PS256", func(p *parts) { p.gq(); p.keys[0]["alg"] = "PS256" }, none},
		{"kty missing", setKey("kty", nil), none},
		{"kty of another type", setKey("kty", "RSA"), none},
		{"kty in other case", setKey("kty", "ec"), none},
		{"crv of another curve", setKey("crv", "P-384"), none},
		{"crv missing", setKey("crv", nil), none},
		{"token says another algorithm", alg("ES384"), none},
		{"RS256 token, key says nothing of its algorithm and is EC", func(p *parts) { setKey("alg", nil)(p); alg("RS256")(p) }, none},
		{"private d", setKey("d", "AA"), none},
		{"private p", and(rs, setKey("p", "AA")), none},
		{"private q", and(rs, setKey("q", "AA")), none},
		{"private dp", and(rs, setKey("dp", "AA")), none},
		{"private dq", and(rs, setKey("dq", "AA")), none},
		{"private qi", and(rs, setKey("qi", "AA")), none},
		{"private oth", and(rs, setKey("oth", []int{})), none},
		{"small RSA key", and(rs, setKey("n", b64([]byte(strings.Repeat("\xff", 128))))), none},
		{"RSA key of 2047 bits", and(rs, setKey("n", b64(append([]byte{0x7f}, strings.Repeat("\xff", 255)...)))), none},
		{"RSA key of 16 400 bits", and(rs, setKey("n", b64([]byte(strings.Repeat("\xff", 2050))))), none},
		{"RSA modulus missing", and(rs, setKey("n", nil)), none},
		{"RSA exponent 1", and(rs, setKey("e", "AQ")), none},
		{"RSA exponent even", and(rs, setKey("e", "AQAA")), none},
		{"RSA exponent of 9 bytes", and(rs, setKey("e", "AQAAAAAAAQAB")), none},
		{"RSA exponent missing", and(rs, setKey("e", nil)), none},
		{"RSA key with a padded modulus", func(p *parts) { rs(p); setKey("n", p.keys[0]["n"].(string)+"==")(p) }, none},
		{"RSA key and KTY EC, proof", func(p *parts) { p.gq(); maps.Copy(p.keys[0], upperMembers(p.upk())) }, accepted},
		{"not on the curve", setKey("x", b64(make([]byte, 32))), none},
		{"oct key alone", func(p *parts) { p.keys = []object{oct} }, none},
		{"oct key first", func(p *parts) { p.keys = []object{oct, p.keys[0]} }, accepted},

		{"no keys", func(p *parts) { p.keys = []object{} }, none},
		{"another kid", kid("key-2"), none},
		{"kid in other case", kid("KEY-1"), none},
		{"kid empty", kid(""), none},
		{"kid empty, and the key's", and(kid(""), setKey("kid", "")), accepted},
		{"kid empty, and the key has none", and(kid(""), setKey("kid", nil)), none},
		{"kid a number, and the key's is empty", and(kid(1), setKey("kid", "")), none},
		{"kid a number", kid(1), none},
		{"kid a number, and the key's", and(kid(1), setKey("kid", 1)), none},
		{"kid null", kid(raw("null")), none},
		{"kid an array", kid([]string{"key-1"}), none},
		{"kid an object", kid(object{}), none},
		{"kid, and the key has none", setKey("kid", nil), none},
		{"kid with a path", kid("../../key-1"), none},
		{"kid an address", kid("https://evil.example.com/jwks"), none},

		{"another key with the same kid, after", strangers(0, 1), accepted},
		{"another key with the same kid, before", strangers(1, 0), accepted},
		{"seven others with the same kid", strangers(7, 0), accepted},
		{"eight others with the same kid", strangers(4, 4), none},
		{"another type with the same kid", func(p *parts) {
			p.keys = append([]object{issuers()["RS256"].JWK(p.t), issuers()["ES384"].JWK(p.t)}, p.keys...)
		}, accepted},
		{"only strangers with the kid", and(strangers(2, 0), func(p *parts) { p.keys = p.keys[:2] }), pktoken.ReasonSignature},

		{"no kid, key has one", kid(nil), accepted},
		{"no kid anywhere", noKeyIDs, accepted},
		{"no kid, two keys fit", and(kid(nil), strangers(0, 1)), none},
		{"no kid, the same key twice", func(p *parts) { kid(nil)(p); p.keys = append(p.keys, p.keys[0]) }, none},
		{"no kid, one of two is for encryption", and(kid(nil), strangers(0, 1), func(p *parts) { p.keys[1]["use"] = "enc" }), accepted},
		{"no kid, one of two is for another algorithm", and(kid(nil), func(p *parts) {
			p.keys = append(p.keys, issuers()["RS256"].JWK(p.t))
		}), accepted},
		{"no kid, no key fits", and(kid(nil), setKey("use", "enc")), none},
		{"no kid, the key is a stranger's", and(kid(nil), strangers(0, 1), func(p *parts) { p.keys = p.keys[1:] }), pktoken.ReasonSignature},

		{"proof, another kid", func(p *parts) { p.gq(); p.header["kid"] = "key-2" }, none},
		{"proof, kid a number", func(p *parts) { p.gq(); p.header["kid"] = 1 }, none},
		{"proof, no kid", func(p *parts) { p.gq(); p.header["kid"] = nil }, accepted},
		{"proof, no kid, two keys fit", func(p *parts) {
			p.gq()
			p.header["kid"] = nil
			p.keys = append(p.keys, pktokentest.PublicJWK(p.t, strangerRSA().Public()))
		}, none},
		{"proof, another key with the same kid", func(p *parts) {
			p.gq()
			other := pktokentest.PublicJWK(p.t, strangerRSA().Public())
			other["kid"] = "key-1"
			p.keys = append([]object{other}, p.keys...)
		}, accepted},
	})
}

func upperMembers(o object) object {
	upper := object{}
	for name, value := range o {
		upper[strings.ToUpper(name)] = value
	}
	return upper
}

// TestManyKeys: the right one among 10 000.
func TestManyKeys(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	right := p.keys[0]
	p.keys = nil
	for i := range 10_000 {
		key := maps.Clone(right)
		key["kid"] = fmt.Sprint("other-", i)
		p.keys = append(p.keys, key)
	}
	p.keys = append(p.keys, right)
	if _, err := p.verify(); err != nil {
		t.Errorf("key last: %v", err)
	}
	p.header["kid"] = "missing"
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonNoKey)
	if len(err.Error()) > 1000 {
		t.Errorf("%d bytes of error", len(err.Error()))
	}
	p.header["kid"] = nil
	_, err = p.verify()
	wantReason(t, err, pktoken.ReasonNoKey)
}

// keysFunc is a KeySet as a function.
type keysFunc func(usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error)

func (f keysFunc) Keys(_ context.Context, _ string, usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	return f(usable)
}

// TestKeysUnavailable: that keys cannot be had is not the token's fault, and the cause can be reached.
func TestKeysUnavailable(t *testing.T) {
	down := errors.New("provider is down")
	p := newParts(t, pktoken.CommitmentNonce)
	p.keySet = keysFunc(func(func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) { return nil, down })
	_, err := p.verify()
	wantReason(t, err, pktoken.ReasonKeysUnavailable)
	if !errors.Is(err, down) {
		t.Errorf("expected the cause, got %v", err)
	}

	if keys, err := (pktoken.StaticKeySet{}).Keys(context.Background(), issuerURL, nil); err == nil || keys != nil {
		t.Errorf("static set: expected an error for an unknown issuer, got %v", keys)
	}
	p.keySet = pktoken.StaticKeySet{}
	_, err = p.verify()
	wantReason(t, err, pktoken.ReasonKeysUnavailable)

	p.keySet = pktoken.StaticKeySet{issuerURL: nil}
	_, err = p.verify()
	wantReason(t, err, pktoken.ReasonKeysUnavailable)

	token, err := pktoken.Parse(p.compact())
	if err != nil {
		t.Fatal(err)
	}
	v := p.verifier()
	v.Keys = nil
	_, err = v.Verify(context.Background(), token)
	wantReason(t, err, pktoken.ReasonKeysUnavailable)

	// nor are no rows a reason to ask for keys
	v.Providers = nil
	_, err = v.Verify(context.Background(), token)
	wantReason(t, err, pktoken.ReasonUnknownIssuer)
}

// TestUsable: what a KeySet hears about the set that it holds.
func TestUsable(t *testing.T) {
	falseSig := func(p *parts) { p.opSig = flip }
	for _, r := range []struct {
		name   string
		change func(*parts)
		usable bool
		want   pktoken.Reason
	}{
		{"kid, right", func(*parts) {}, true, accepted},
		{"kid, false signature", falseSig, true, pktoken.ReasonSignature},
		{"kid, false signature of two keys", and(falseSig, strangers(1, 0)), true, pktoken.ReasonSignature},
		{"unknown kid", kid("key-2"), false, pktoken.ReasonNoKey},
		{"unknown kid, false signature", and(kid("key-2"), falseSig), false, pktoken.ReasonNoKey},
		{"kid of a key for something else", setKey("use", "enc"), false, pktoken.ReasonNoKey},
		{"no kid, right", kid(nil), true, accepted},
		{"no kid, false signature", and(kid(nil), falseSig), false, pktoken.ReasonSignature},
		{"no kid, several keys", and(kid(nil), strangers(1, 0)), false, pktoken.ReasonNoKey},
		{"proof, right", func(p *parts) { p.gq() }, true, accepted},
		{"proof, false", func(p *parts) { p.gq(); falseSig(p) }, true, pktoken.ReasonSignature},
		{"proof, unknown kid", func(p *parts) { p.gq(); p.header["kid"] = "key-2" }, false, pktoken.ReasonNoKey},
		{"proof, no kid, false", func(p *parts) { p.gq(); p.header["kid"] = nil; falseSig(p) }, false, pktoken.ReasonSignature},
		{"keys are right, token is old", func(p *parts) { p.now = p.now.AddDate(1, 0, 0) }, true, pktoken.ReasonExpired},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			r.change(p)
			held, err := p.verifier().Keys.Keys(context.Background(), issuerURL, nil)
			if err != nil {
				t.Fatal(err)
			}
			var answers []bool
			p.keySet = keysFunc(func(usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
				answers = append(answers, usable(held))
				return held, nil
			})
			_, err = p.verify()
			wantReason(t, err, r.want)
			if !slices.Equal(answers, []bool{r.usable}) {
				t.Errorf("usable: expected %v, got %v", r.usable, answers)
			}
		})
	}
}

// TestRotation: a KeySet that holds an old set returns a newer one, and that one decides.
func TestRotation(t *testing.T) {
	for _, r := range []row{
		{"kid", func(*parts) {}, accepted},
		{"no kid", kid(nil), accepted},
		{"false signature under the newer one too", func(p *parts) { p.opSig = flip }, pktoken.ReasonSignature},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, pktoken.CommitmentNonce)
			r.change(p)
			old := pktokentest.NewIssuer(t, issuerURL, "ES256")
			old.Kid = "key-0"
			held := pktokentest.KeySet(t, old)[issuerURL]
			newer := p.verifier().Keys.(pktoken.StaticKeySet)[issuerURL]
			p.keySet = keysFunc(func(usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
				if usable(nil) || usable(held) {
					t.Error("the old set is taken for usable")
				}
				return newer, nil
			})
			_, err := p.verify()
			wantReason(t, err, r.want)
		})
	}
}

func TestParseJWKS(t *testing.T) {
	for _, r := range []struct {
		name, data   string
		ok           bool
		kids, usable int
	}{
		{"empty", `{"keys":[]}`, true, 0, 0},
		{"odd elements", `{"keys":[1,null,"x",[],{}]}`, true, 0, 0},
		{"kid of another type", `{"keys":[{"kid":1},{"kid":"a"},{"kid":"a"}]}`, true, 2, 0},
		{"no keys", `{}`, false, 0, 0},
		{"Keys", `{"Keys":[]}`, false, 0, 0},
		{"keys null", `{"keys":null}`, false, 0, 0},
		{"keys an object", `{"keys":{}}`, false, 0, 0},
		{"keys twice", `{"keys":[],"keys":[]}`, false, 0, 0},
		{"member twice in a key", `{"keys":[{"kid":"a","kid":"b"}]}`, false, 0, 0},
		{"array", `[]`, false, 0, 0},
		{"nothing", ``, false, 0, 0},
		{"data after", `{"keys":[]} x`, false, 0, 0},
	} {
		t.Run(r.name, func(t *testing.T) {
			set, err := pktoken.ParseJWKS([]byte(r.data))
			if (err == nil) != r.ok {
				t.Fatalf("error: %v", err)
			}
			if r.ok && (len(set.KeyIDs()) != r.kids || set.Usable() != r.usable) {
				t.Errorf("expected %d key IDs and %d usable keys, got %d and %d", r.kids, r.usable, len(set.KeyIDs()), set.Usable())
			}
		})
	}
}

// TestUsableKeys counts what Usable takes: one of each kind, and none that has something against it.
func TestUsableKeys(t *testing.T) {
	var keys []object
	for _, op := range issuers() {
		keys = append(keys, op.JWK(t))
	}
	for name, value := range (object{"use": "enc", "alg": "HS256", "kty": "oct", "d": "AA", "x": "AA"}) {
		key := issuers()["ES256"].JWK(t)
		key[name] = value
		keys = append(keys, key)
	}
	set, err := pktoken.ParseJWKS(pktokentest.JWKS(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Usable(); got != 5 {
		t.Errorf("expected 5 usable keys, got %d", got)
	}
}
