package pktoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// ClientInstance is the user's half of a PK token before the provider's half exists: a key, and the CIC protected header
// that the ID token is to commit to.
type ClientInstance struct {
	signer      crypto.Signer
	alg         string
	protected64 string
	commitment  string
	random      io.Reader
}

// NewClientInstance makes the CIC protected header for a P-256 (ES256) or Ed25519 (EdDSA) key, with 32 fresh bytes of
// random. extra are further members, which the commitment covers too.
func NewClientInstance(random io.Reader, user crypto.Signer, extra map[string]any) (*ClientInstance, error) {
	alg, err := userKeyAlgorithm(user.Public())
	if err != nil {
		return nil, err
	}
	if alg == "RS256" {
		return nil, errors.New("user key: RSA keys are read, not written: use P-256 or Ed25519")
	}
	key, err := jwk.Import(user.Public())
	if err != nil {
		return nil, err
	}
	if err := key.Set(jwk.AlgorithmKey, alg); err != nil {
		return nil, err
	}
	nonce := make([]byte, 32)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	header := maps.Clone(extra)
	if header == nil {
		header = map[string]any{}
	}
	for _, name := range []string{"alg", "rz", "typ", "upk"} {
		if _, present := header[name]; present {
			return nil, fmt.Errorf("client claims: the name %q is reserved", name)
		}
	}
	header["alg"], header["rz"], header["typ"], header["upk"] = alg, hex.EncodeToString(nonce), "CIC", key
	encoded, err := canonicalJSON(header)
	if err != nil {
		return nil, err
	}
	return &ClientInstance{
		signer: user, alg: alg, random: random,
		protected64: base64url.EncodeToString(encoded),
		commitment:  commitmentOf(encoded),
	}, nil
}

// Commitment is what the provider has to sign: base64url of the SHA3-256 of the CIC protected header.
func (c *ClientInstance) Commitment() string { return c.commitment }

// Bind signs an ID token's payload with the user's key and joins the two. The ID token is not verified: use [Verifier.Verify]
// on the result.
func (c *ClientInstance) Bind(jwt string) (*Token, error) {
	id, err := parseIDToken(jwt)
	if err != nil {
		return nil, rejectCause(ReasonMalformed, "ID token", err)
	}
	return c.bind(id.payload64, id.protected64, id.signature)
}

func (c *ClientInstance) bind(payload64, opProtected64 string, opSignature []byte) (*Token, error) {
	signature, err := makeSignature(c.random, c.alg, c.signer, []byte(c.protected64+"."+payload64))
	if err != nil {
		return nil, err
	}
	return Parse(payload64 + ":" + opProtected64 + ":" + base64url.EncodeToString(opSignature) +
		":" + c.protected64 + ":" + base64url.EncodeToString(signature))
}

// WithRefreshed puts a refreshed ID token beside the original one, in the place of an older one. It is not verified.
func (t *Token) WithRefreshed(jwt string) (*Token, error) {
	main := t.compact
	if t.refreshed != nil {
		main = main[:len(main)-len("."+t.refreshed.compact())]
	}
	return Parse(main + "." + jwt)
}

func (t *idToken) compact() string {
	return t.protected64 + "." + t.payload64 + "." + base64url.EncodeToString(t.signature)
}

// commitmentOf hashes the CIC protected header as received: it is never encoded again.
func commitmentOf(protected []byte) string {
	sum := sha3.Sum256(protected)
	return base64url.EncodeToString(sum[:])
}

// UserKey is the public key in the CIC protected header: *ecdsa.PublicKey (P-256), ed25519.PublicKey or *rsa.PublicKey.
// Nothing vouches for it before [Verifier.Verify] has.
func (t *Token) UserKey() (crypto.PublicKey, error) {
	upk, err := t.clientHeader()
	if err != nil {
		return nil, err
	}
	return upk.public, nil
}

// Commitment is what an ID token must hold for this user key: see [ClientInstance.Commitment].
func (t *Token) Commitment() string { return commitmentOf(t.client.protected) }

// VerifyUser checks the user's own half of the token: the CIC protected header, and the signature under the key in it. It says
// nothing about who the user is. Errors are [*RejectError].
func (t *Token) VerifyUser() error {
	_, err := t.verifyClient()
	return err
}

type userKey struct {
	alg    string
	jwk    map[string]any
	public crypto.PublicKey
}

// clientHeader checks the CIC protected header: typ was checked by Parse.
func (t *Token) clientHeader() (*userKey, error) {
	h := t.client.header
	alg, _, err := stringMember(h, "alg")
	if err != nil {
		return nil, rejectCause(ReasonClientHeader, "alg", err)
	}
	rz, _ := h["rz"].(string)
	if b, err := hex.DecodeString(rz); err != nil || len(b) != 32 {
		return nil, mismatch(ReasonClientHeader, "rz", "64 hex digits", describe(h["rz"]))
	}
	upk, ok := h["upk"].(map[string]any)
	if !ok {
		return nil, reject(ReasonClientHeader, "upk: expected a JWK")
	}
	if own := upk["alg"]; own != alg {
		return nil, mismatch(ReasonClientHeader, "alg of upk", alg, describe(own))
	}
	if alg != "ES256" && alg != "EdDSA" && alg != "RS256" {
		return nil, mismatch(ReasonClientHeader, "alg", "ES256, EdDSA or RS256", alg)
	}
	public, err := publicKeyFor(upk, alg)
	if err != nil {
		return nil, rejectCause(ReasonClientHeader, "upk", err)
	}
	return &userKey{alg: alg, jwk: upk, public: public}, nil
}

// userKeyAlgorithm is the JWS algorithm that goes with a user's key.
func userKeyAlgorithm(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256", nil
		}
		return "", fmt.Errorf("user key: expected the curve P-256, got %s", k.Curve.Params().Name)
	case ed25519.PublicKey:
		return "EdDSA", nil
	case *rsa.PublicKey:
		return "RS256", nil
	}
	return "", fmt.Errorf("user key: expected P-256 or Ed25519, got %T", public)
}

// verifyClient checks the user's own signature under the key that the token names.
func (t *Token) verifyClient() (*userKey, error) {
	if err := checkCritical(t.client.header); err != nil {
		return nil, err
	}
	user, err := t.clientHeader()
	if err != nil {
		return nil, err
	}
	if err := verifySignature(user.alg, user.public, t.client.signingInput(t.payload64), t.client.signature); err != nil {
		return nil, reject(ReasonClientSignature, "the signature of the user's key is false")
	}
	return user, nil
}
