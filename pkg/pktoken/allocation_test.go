package pktoken_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/pktoken"
)

// pathologicalJSON are objects of any length that ask much of a parser.
var pathologicalJSON = map[string]allocation.Input{
	"members":          {Before: "{", Part: func(i int) string { return fmt.Sprintf(`"%d":0,`, i) }, After: `"a":0}`},
	"members again":    {Before: "{", Part: allocation.Repeat(`"a":0,`), After: `"a":0}`},
	"deep objects":     {Part: allocation.Repeat(`{"a":`)},
	"deep arrays":      {Before: `{"a":`, Part: allocation.Repeat("[")},
	"flat arrays":      {Before: `{"a":[`, Part: allocation.Repeat("[],"), After: "0]}"},
	"flat objects":     {Before: `{"a":[`, Part: allocation.Repeat("{},"), After: "0]}"},
	"groups":           {Before: `{"groups":[`, Part: allocation.Repeat(`"a",`), After: `"a"]}`},
	"a long number":    {Before: `{"iat":`, Part: allocation.Repeat("9"), After: "}"},
	"a large exponent": {Before: `{"exp":1e`, Part: allocation.Repeat("9"), After: "}"},
	"a long text":      {Before: `{"iss":"`, Part: allocation.Repeat("a"), After: `"}`},
	"escapes":          {Before: `{"alg":"`, Part: allocation.Repeat(`\ud83d\ude00`), After: `"}`},
	"an open text":     {Before: `{"aud":"`, Part: allocation.Repeat(`\"`)},
	"blanks":           {Part: allocation.Repeat(" ")},
	"a long name":      {Before: `{"`, Part: allocation.Repeat("a"), After: `":0}`},
	"not UTF-8":        {Before: `{"a":"`, Part: allocation.Repeat("\xff"), After: `"}`},
}

func TestAllocationOfObjects(t *testing.T) {
	allocation.Linear(t, pathologicalJSON, func(data []byte) { _, _ = pktoken.ParseObject(data) })
}

// Each part of a token in turn is an object of this kind.
func TestAllocationOfTokens(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	fields := splitColons(p.compact())
	for i, name := range map[int]string{0: "payload", 1: "provider's header", 3: "client's header"} {
		t.Run(name, func(t *testing.T) {
			allocation.Linear(t, pathologicalJSON, func(data []byte) {
				changed := append([]string{}, fields...)
				changed[i] = b64(data[:len(data)/2]) // with base64 and the rest, it is to fit into one token
				if token, err := pktoken.Parse(joinColons(changed)); err == nil {
					_, _ = p.verifier().Verify(context.Background(), token)
				}
				changed[i] = b64(append([]byte(nil), data[:len(data)*3/4-600]...))
				if token, err := pktoken.Parse(joinColons(changed)); err == nil {
					_, _ = p.verifier().Verify(context.Background(), token)
				}
			})
		})
	}
	whole := joinColons(fields)
	allocation.Linear(t, map[string]allocation.Input{
		"colons":             {Part: allocation.Repeat(":")},
		"dots":               {Part: allocation.Repeat(".")},
		"refreshed dots":     {Before: whole, Part: allocation.Repeat(".")},
		"a long signature":   {Before: joinColons(fields[:2]) + ":", Part: allocation.Repeat("AAAA"), After: ":" + joinColons(fields[3:])},
		"client's signature": {Before: joinColons(fields[:4]) + ":", Part: allocation.Repeat("AAAA")},
		"cosigner":           {Before: whole + ":eyJ0eXAiOiJDT1MifQ:", Part: allocation.Repeat("AAAA")},
		"no base64":          {Part: allocation.Repeat("=")},
	}, func(data []byte) {
		if token, err := pktoken.Parse(string(data)); err == nil {
			_, _ = p.verifier().Verify(context.Background(), token)
		}
	})
}

func TestAllocationOfKeySets(t *testing.T) {
	p := newParts(t, pktoken.CommitmentNonce)
	token := mustParse(t, p.compact())
	base := p.verifier()
	modulus := strings.Repeat("_", 342) // 2048 bits
	allocation.Linear(t, map[string]allocation.Input{
		"RSA keys":       {Before: `{"keys":[`, Part: allocation.Repeat(`{"kty":"RSA","e":"AQAB","n":"` + modulus + `"},`), After: "0]}"},
		"small RSA keys": {Before: `{"keys":[`, Part: allocation.Repeat(`{"kty":"RSA","e":"AQAB","n":"AQ"},`), After: "0]}"},
		"a large RSA key": {
			Before: `{"keys":[{"kty":"RSA","kid":"key-1","e":"AQAB","n":"`, Part: allocation.Repeat("_"), After: `"}]}`,
		},
		"a large exponent": {
			Before: `{"keys":[{"kty":"RSA","kid":"key-1","n":"` + modulus + `","e":"`, Part: allocation.Repeat("_"), After: `"}]}`,
		},
		"EC keys":            {Before: `{"keys":[`, Part: allocation.Repeat(`{"kty":"EC","crv":"P-256","kid":"key-1","x":"AA","y":"AA"},`), After: "0]}"},
		"Ed25519 keys":       {Before: `{"keys":[`, Part: allocation.Repeat(`{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `"},`), After: "0]}"},
		"no keys":            {Before: `{"keys":[`, Part: allocation.Repeat("{},"), After: "{}]}"},
		"unknown types":      {Before: `{"keys":[`, Part: allocation.Repeat(`{"kty":"x"},`), After: "{}]}"},
		"operations":         {Before: `{"keys":[{"kty":"RSA","key_ops":[`, Part: allocation.Repeat(`"sign",`), After: `"sign"]}]}`},
		"members of the set": {Before: `{"keys":[],`, Part: func(i int) string { return fmt.Sprintf(`"%d":0,`, i) }, After: `"a":0}`},
	}, func(data []byte) {
		set, err := pktoken.ParseJWKS(data)
		if err != nil {
			return
		}
		set.Usable()
		v := pktoken.Verifier{Providers: base.Providers, Keys: pktoken.StaticKeySet{issuerURL: set}, Now: base.Now}
		_, _ = v.Verify(context.Background(), token)
	})
}
