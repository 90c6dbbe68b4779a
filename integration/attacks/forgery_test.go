package attacks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken/gq"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// object is a JSON object in the making. A nil value leaves the member out; json.RawMessage writes a value as it is.
type object = map[string]any

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// edit changes bytes on their way into a token.
type edit = func([]byte) []byte

// forgery is a login whose every part is open to a change before what comes later is signed over it. What forge gives is
// alice@example.com's own, and gets in.
type forgery struct {
	t    *testing.T
	op   *pktokentest.Issuer
	user crypto.Signer

	claims, header, client object                     // payload, OP header, CIC header
	proof                  object                     // GQ256 header; nil: the provider's signature as it is
	commit                 func(string) string        // what becomes of the commitment on its way into the payload, or into cic
	place                  string                     // "nonce", "aud" or "cic"
	claimsJSON             edit                       // before it is signed
	headerJSON, clientJSON edit                       //
	opSignature            func(signed string) []byte // instead of the provider's
	opSig                  edit                       // after it was made
	fields                 func([]string)             // of the compact form: payload, OP header and signature, CIC header and signature
	text                   func(string) string        // the compact form

	keyID      *string // "" is the email
	principals []string
	cert       func(*ssh.Certificate) // before it is signed
	signer     ssh.Signer             // of the certificate
	signed     func(*ssh.Certificate) // after it was signed
	wire       edit
	login      string
}

func forge(t *testing.T, op *pktokentest.Issuer) *forgery {
	t.Helper()
	now := time.Now().Unix()
	f := &forgery{
		t: t, op: op, user: pktokentest.UserKey(t), header: op.Header(), place: "nonce", login: "alice", principals: []string{sshcert.WildcardPrincipal},
		claims: object{
			"iss": op.URL, "aud": pktokentest.ClientID, "sub": "user-1", "iat": now, "exp": now + 3600,
			"email": "alice@example.com", "email_verified": true,
		},
	}
	upk := pktokentest.PublicJWK(t, f.user.Public())
	upk["alg"] = "ES256"
	f.client = object{"alg": "ES256", "rz": strings.Repeat("0f", 32), "typ": "CIC", "upk": upk}
	return f
}

func encodeJSON(t testing.TB, o object, change edit) []byte {
	t.Helper()
	o = maps.Clone(o)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(o)
	check(t, err)
	if change != nil {
		data = change(data)
	}
	return data
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(s)
	check(t, err)
	return data
}

func commitment(protected []byte) string {
	sum := sha3.Sum256(protected)
	return b64(sum[:])
}

func (f *forgery) compact() string {
	f.t.Helper()
	protected := encodeJSON(f.t, f.client, f.clientJSON)
	commit := commitment(protected)
	if f.commit != nil {
		commit = f.commit(commit)
	}
	claims := maps.Clone(f.claims)
	if _, set := claims[f.place]; !set && f.place != "cic" {
		claims[f.place] = commit
	}
	payload64, header64 := b64(encodeJSON(f.t, claims, f.claimsJSON)), b64(encodeJSON(f.t, f.header, f.headerJSON))
	sig := f.signature(header64 + "." + payload64)
	if f.proof != nil {
		proof := maps.Clone(f.proof)
		if _, set := proof["cic"]; !set && f.place == "cic" {
			proof["cic"] = commit
		}
		header64, sig = prove(f.t, f.op, proof, header64, payload64, sig)
	}
	if f.opSig != nil {
		sig = f.opSig(sig)
	}
	client64 := b64(protected)
	parts := []string{payload64, header64, b64(sig), client64, b64(userSignature(f.t, f.user, client64+"."+payload64))}
	if f.fields != nil {
		f.fields(parts)
	}
	text := strings.Join(parts, ":")
	if f.text != nil {
		text = f.text(text)
	}
	return text
}

func (f *forgery) signature(signed string) []byte {
	if f.opSignature != nil {
		return f.opSignature(signed)
	}
	return pktokentest.Signature(f.t, f.op.Key(), f.op.Alg, []byte(signed))
}

func userSignature(t testing.TB, user crypto.Signer, signed string) []byte {
	t.Helper()
	switch user.Public().(type) {
	case *ecdsa.PublicKey:
		return pktokentest.Signature(t, user, "ES256", []byte(signed))
	case ed25519.PublicKey:
		return pktokentest.Signature(t, user, "EdDSA", []byte(signed))
	}
	return pktokentest.Signature(t, user, "RS256", []byte(signed))
}

// prove makes the GQ256 header, with what proof does not set, and the proof.
func prove(t testing.TB, op *pktokentest.Issuer, proof object, header64, payload64 string, sig []byte) (string, []byte) {
	t.Helper()
	public := op.Key().Public().(*rsa.PublicKey)
	for name, value := range (object{"alg": "GQ256", "typ": "JWT", "kid": header64, "jkt": thumbprint(public)}) {
		if _, set := proof[name]; !set {
			proof[name] = value
		}
	}
	proof64 := b64(encodeJSON(t, proof, nil))
	made, err := gq.Prove(rand.Reader, public, sig, []byte(header64+"."+payload64), []byte(proof64+"."+payload64))
	check(t, err)
	return proof64, made
}

// thumbprint is RFC 7638 for RSA, written out.
func thumbprint(key *rsa.PublicKey) string {
	e := big.NewInt(int64(key.E)).Bytes()
	sum := sha256.Sum256([]byte(`{"e":"` + b64(e) + `","kty":"RSA","n":"` + b64(key.N.Bytes()) + `"}`))
	return b64(sum[:])
}

// offer puts the token into a certificate.
func (f *forgery) offer() *offer {
	f.t.Helper()
	return f.carry(f.compact())
}

// carry puts any text in the token's place.
func (f *forgery) carry(compact string) *offer {
	f.t.Helper()
	own, err := ssh.NewSignerFromSigner(f.user)
	check(f.t, err)
	keyID, _ := f.claims["email"].(string)
	if f.keyID != nil {
		keyID = *f.keyID
	}
	c := &ssh.Certificate{
		Key: own.PublicKey(), CertType: ssh.UserCert, KeyId: keyID, ValidPrincipals: f.principals, ValidBefore: ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": "", sshcert.ExtensionPKToken: compact}},
	}
	if f.cert != nil {
		f.cert(c)
	}
	signer := f.signer
	if signer == nil {
		signer = own
	}
	check(f.t, c.SignCert(rand.Reader, signer))
	if f.signed != nil {
		f.signed(c)
	}
	o := &offer{user: f.login, keyType: c.Type(), wire: c.Marshal(), line: authorizedKeysLine(c.Key, c.ValidPrincipals)}
	if f.wire != nil {
		o.wire = f.wire(o.wire)
	}
	return o
}

// row is one move: a login in which one thing is wrong, or unusual and right.
type row struct {
	name   string
	change func(*forgery)
	want   string
}

// attacks makes each move against one host, which has the keys of op.
func (h *host) attacks(t *testing.T, op *pktokentest.Issuer, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			f := forge(t, op)
			r.change(f)
			h.attack(t, f.offer(), r.want)
		})
	}
}

func asMade(*forgery) {}

func claim(name string, value any) func(*forgery) {
	return func(f *forgery) { f.claims[name] = value }
}

func header(name string, value any) func(*forgery) {
	return func(f *forgery) { f.header[name] = value }
}

func all(changes ...func(*forgery)) func(*forgery) {
	return func(f *forgery) {
		for _, change := range changes {
			change(f)
		}
	}
}

func replace(old, with string) edit {
	return func(data []byte) []byte { return []byte(strings.Replace(string(data), old, with, 1)) }
}

// strangerKey is an RSA key of the attacker's.
var strangerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})
