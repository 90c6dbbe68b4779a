package pktoken_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/gq"
	"opkssh/pkg/pktoken/pktokentest"
)

const (
	issuerURL = "https://op.example.com"
	clientID  = pktokentest.ClientID
	now       = int64(1_800_000_000)
)

// object is a JSON object in the making. A nil value leaves the member out; json.RawMessage writes a value as it is.
type object = map[string]any

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// edit changes bytes on their way into a token.
type edit = func([]byte) []byte

// parts are all that a PK token is made of, each open to a change before what comes later is signed over it. What newParts
// gives is valid.
type parts struct {
	t    testing.TB
	op   *pktokentest.Issuer
	user crypto.Signer

	client, header, proof, claims object // CIC header, OP header, GQ256 header, payload
	fresh                         *freshParts
	keys                          []object
	row                           pktoken.Provider
	more                          []pktoken.Provider // rows after row
	now                           time.Time
	keySet                        pktoken.KeySet // nil: keys

	clientJSON, headerJSON, claimsJSON edit // before signing
	clientSig, opSig                   edit
	commitment                         func(string) string // what goes into the ID token
	text                               edit                // the compact form
	fields                             func([]string)      // the same, split at colons
}

// freshParts make the refreshed ID token.
type freshParts struct {
	op             *pktokentest.Issuer
	header, claims object
	json           edit // the payload
	sig, text      edit
}

var issuers = sync.OnceValue(func() map[string]*pktokentest.Issuer {
	all := map[string]*pktokentest.Issuer{}
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		all[alg] = pktokentest.NewIssuer(&testing.T{}, issuerURL, alg)
	}
	return all
})

var strangerRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newParts signs with ES256, and with RS256 and a GQ256 proof for the kinds that need one.
func newParts(t testing.TB, kind pktoken.Commitment) *parts {
	alg := "ES256"
	if kind == pktoken.CommitmentAudience || kind == pktoken.CommitmentGQ {
		alg = "RS256"
	}
	p := &parts{
		t: t, user: pktokentest.UserKey(t), now: time.Unix(now+5, 0),
		claims: object{"iss": issuerURL, "aud": clientID, "sub": "user-1", "iat": now, "exp": now + 3600},
		row:    pktoken.Provider{Issuer: issuerURL, ClientID: clientID, Commitment: kind},
	}
	p.signWith(alg)
	p.client = object{"alg": "ES256", "rz": strings.Repeat("0f", 32), "typ": "CIC", "upk": p.upk()}
	switch kind {
	case pktoken.CommitmentAudience:
		p.gq()
	case pktoken.CommitmentGQ:
		p.gq()
		p.claims["aud"] = "OPENPUBKEY-PKTOKEN:infra"
		p.row.ClientID = "OPENPUBKEY-PKTOKEN:infra"
	case pktoken.CommitmentKeyBinding:
		p.header["typ"] = "dpop+id_token"
		p.claims["cnf"] = object{"jwk": p.upk()}
	}
	return p
}

func (p *parts) signWith(alg string) {
	p.op = issuers()[alg]
	p.header = p.op.Header()
	p.keys = []object{p.op.JWK(p.t)}
}

// gq puts a proof in the place of the provider's signature.
func (p *parts) gq() {
	if p.op.Alg != "RS256" {
		p.signWith("RS256")
	}
	p.proof = object{"alg": "GQ256", "typ": "JWT"}
}

func (p *parts) upk() object {
	key := pktokentest.PublicJWK(p.t, p.user.Public())
	switch p.user.Public().(type) {
	case *ecdsa.PublicKey:
		key["alg"] = "ES256"
	case ed25519.PublicKey:
		key["alg"] = "EdDSA"
	case *rsa.PublicKey:
		key["alg"] = "RS256"
	}
	return key
}

// setUser changes the user's key, and the CIC header with it.
func (p *parts) setUser(key crypto.Signer) {
	p.user = key
	p.client["upk"] = p.upk()
	p.client["alg"] = p.client["upk"].(object)["alg"]
}

// refreshed adds a valid refreshed token.
func (p *parts) refreshed() *freshParts {
	claims := maps.Clone(p.claims)
	claims["iat"], claims["exp"] = now+1, now+7200
	p.fresh = &freshParts{op: p.op, header: p.op.Header(), claims: claims}
	return p.fresh
}

func encodeJSON(t testing.TB, o object, change edit) []byte {
	t.Helper()
	o = maps.Clone(o)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return apply(change, data)
}

func apply(change edit, data []byte) []byte {
	if change == nil {
		return data
	}
	return change(data)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func commitment(protected []byte) string {
	sum := sha3.Sum256(protected)
	return b64(sum[:])
}

// signAs makes the signature that goes with a key, whatever a header says.
func signAs(t testing.TB, key crypto.Signer, alg, signed string) []byte {
	t.Helper()
	switch k := key.Public().(type) {
	case ed25519.PublicKey:
		alg = "EdDSA"
	case *ecdsa.PublicKey:
		alg = map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384"}[k.Curve]
	}
	return pktokentest.Signature(t, key, alg, []byte(signed))
}

func (p *parts) compact() string {
	p.t.Helper()
	protected := encodeJSON(p.t, p.client, p.clientJSON)
	commit := commitment(protected)
	if p.commitment != nil {
		commit = p.commitment(commit)
	}
	claims := maps.Clone(p.claims)
	place := func(o object, name string) {
		if _, set := o[name]; !set {
			o[name] = commit
		}
	}
	switch p.row.Commitment {
	case pktoken.CommitmentAudience:
		claims["aud"] = commit
	case pktoken.CommitmentGQ:
		place(p.proof, "cic")
	case pktoken.CommitmentNonce:
		place(claims, "nonce")
	}
	if p.fresh != nil && p.row.Commitment == pktoken.CommitmentAudience && p.fresh.claims["aud"] == clientID {
		p.fresh.claims["aud"] = commit
	}
	payload64 := b64(encodeJSON(p.t, claims, p.claimsJSON))
	header64 := b64(encodeJSON(p.t, p.header, p.headerJSON))
	opSig := signAs(p.t, p.op.Key(), p.op.Alg, header64+"."+payload64)
	if p.proof != nil {
		header64, opSig = prove(p.t, p.op, p.proof, header64, payload64, opSig)
	}
	client64 := b64(protected)
	clientSig := signAs(p.t, p.user, "RS256", client64+"."+payload64)
	fields := []string{payload64, header64, b64(apply(p.opSig, opSig)), client64, b64(apply(p.clientSig, clientSig))}
	if p.fields != nil {
		p.fields(fields)
	}
	text := strings.Join(fields, ":")
	if p.fresh != nil {
		text += "." + p.fresh.compact(p.t)
	}
	return string(apply(p.text, []byte(text)))
}

// prove makes the GQ256 header, with what proof does not set, and the proof.
func prove(t testing.TB, op *pktokentest.Issuer, proof object, header64, payload64 string, sig []byte) (string, []byte) {
	t.Helper()
	public := op.Key().Public().(*rsa.PublicKey)
	proof = maps.Clone(proof)
	for name, value := range (object{"kid": header64, "jkt": thumbprint(t, public)}) {
		if _, set := proof[name]; !set {
			proof[name] = value
		}
	}
	proof64 := b64(encodeJSON(t, proof, nil))
	made, err := gq.Prove(rand.Reader, public, sig, []byte(header64+"."+payload64), []byte(proof64+"."+payload64))
	if err != nil {
		t.Fatal(err)
	}
	return proof64, made
}

func (f *freshParts) compact(t testing.TB) string {
	t.Helper()
	header64, payload64 := b64(encodeJSON(t, f.header, nil)), b64(encodeJSON(t, f.claims, f.json))
	sig := signAs(t, f.op.Key(), f.op.Alg, header64+"."+payload64)
	return string(apply(f.text, []byte(header64+"."+payload64+"."+b64(apply(f.sig, sig)))))
}

func (p *parts) verifier() *pktoken.Verifier {
	p.t.Helper()
	keys := p.keySet
	if keys == nil {
		set, err := pktoken.ParseJWKS(pktokentest.JWKS(p.t, p.keys...))
		if err != nil {
			p.t.Fatal(err)
		}
		keys = pktoken.StaticKeySet{issuerURL: set}
	}
	at := p.now
	return &pktoken.Verifier{
		Providers: append([]pktoken.Provider{p.row}, p.more...), Keys: keys, Now: func() time.Time { return at },
	}
}

func (p *parts) verify() (*pktoken.Verified, error) {
	p.t.Helper()
	token, err := pktoken.Parse(p.compact())
	if err != nil {
		return nil, err
	}
	return p.verifier().Verify(context.Background(), token)
}

// accepted is the want of rows that pass.
const accepted pktoken.Reason = ""

// row is a token in which one thing is wrong, or unusual and right.
type row struct {
	name   string
	change func(*parts)
	want   pktoken.Reason
}

func runRows(t *testing.T, kind pktoken.Commitment, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := newParts(t, kind)
			r.change(p)
			_, err := p.verify()
			wantReason(t, err, r.want)
		})
	}
}

func wantReason(t testing.TB, err error, want pktoken.Reason) {
	t.Helper()
	if got := reasonOf(t, err); got != want {
		t.Errorf("reason: expected %q, got %q (%v)", want, got, err)
	}
}

func reasonOf(t testing.TB, err error) pktoken.Reason {
	t.Helper()
	if err == nil {
		return accepted
	}
	var r *pktoken.RejectError
	if !errors.As(err, &r) {
		t.Fatalf("expected a RejectError, got %T: %v", err, err)
	}
	return r.Reason
}

// flip changes one bit in the middle.
func flip(data []byte) []byte {
	data = append([]byte{}, data...)
	data[len(data)/2] ^= 1
	return data
}

func replace(old, with string) edit {
	return func(data []byte) []byte { return []byte(strings.Replace(string(data), old, with, 1)) }
}

// thumbprint is RFC 7638 for RSA, written out.
func thumbprint(t testing.TB, key *rsa.PublicKey) string {
	t.Helper()
	j := pktokentest.PublicJWK(t, key)
	sum := sha256.Sum256([]byte(`{"e":"` + j["e"].(string) + `","kty":"RSA","n":"` + j["n"].(string) + `"}`))
	return b64(sum[:])
}

func decode(t testing.TB, data []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func splitColons(compact string) []string { return strings.Split(compact, ":") }

func joinColons(fields []string) string { return strings.Join(fields, ":") }

func replaceOnce(s, old, with string) string { return strings.Replace(s, old, with, 1) }

func publicRSA(op *pktokentest.Issuer) *rsa.PublicKey { return op.Key().Public().(*rsa.PublicKey) }

func splitDots(jwt string) []string { return strings.Split(jwt, ".") }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
