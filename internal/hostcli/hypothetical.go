package hostcli

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// Somebody who has not logged in is explained by a real token that a provider of our own, which lives in this process, signs
// for the moment. The pipeline of a login then decides on it like on any other, with that provider's keys in the place of the
// real one's. Nobody else can use it: the keys are made anew in each run, stand in no file, no cache and no answer to sshd, and the
// key set that knows them goes to the explaining pipeline alone. No line with the key in it is printed.

// hypothetical is what somebody's ID token would say. Claims that are not given are not in it.
type hypothetical struct {
	issuer  string
	subject string
	email   string
	claims  map[string]any

	clientID string // of the provider's row that is meant; "" means the first one of the issuer
	origin   string // file and line of the row that is meant, before clientID

	issuedAt, expiresAt time.Time
}

// row is the provider's row that the token is made for. Without a fitting one it is a token of a stranger, which the pipeline
// refuses for its own reasons.
func (h *hypothetical) row(rows []pktoken.Provider) pktoken.Provider {
	for _, byOrigin := range []bool{true, false} {
		for _, row := range rows {
			switch {
			case row.Issuer != h.issuer:
			case byOrigin && h.origin == "", byOrigin && row.Origin != h.origin:
			case !byOrigin && h.clientID != "" && row.ClientID != h.clientID:
			default:
				return row
			}
		}
	}
	return pktoken.Provider{Issuer: h.issuer, ClientID: cmp.Or(h.clientID, "no-client")}
}

// hypotheticalKeys are what stays the same for all hypothetical people of one run: making keys takes longer than deciding.
type hypotheticalKeys struct {
	user       *ecdsa.PrivateKey
	provider   *ecdsa.PrivateKey
	providerGQ func() (*rsa.PrivateKey, error) // GQ256 proofs rest on RSA
}

func newHypotheticalKeys() (*hypotheticalKeys, error) {
	user, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	provider, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &hypotheticalKeys{user, provider, sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })}, nil
}

// certificate is what the person would offer sshd, and the key set that vouches for the token in it.
func (k *hypotheticalKeys) certificate(h *hypothetical, rows []pktoken.Provider) (ssh.PublicKey, pktoken.KeySet, error) {
	row := h.row(rows)
	client, err := pktoken.NewClientInstance(rand.Reader, k.user, nil)
	if err != nil {
		return nil, nil, err
	}
	claims := map[string]any{}
	maps.Copy(claims, h.claims)
	claims["iss"], claims["aud"], claims["iat"], claims["exp"] = h.issuer, row.ClientID, h.issuedAt.Unix(), h.expiresAt.Unix()
	for name, value := range map[string]string{"sub": h.subject, "email": h.email} {
		if value != "" {
			claims[name] = value
		}
	}
	if _, said := claims["auth_time"]; row.MaxAuthAge > 0 && !said {
		claims["auth_time"] = h.issuedAt.Unix()
	}
	typ, withProof := "JWT", false
	switch row.Commitment {
	case pktoken.CommitmentNonce:
		claims["nonce"] = client.Commitment()
	case pktoken.CommitmentAudience:
		claims["aud"], withProof = client.Commitment(), true
	case pktoken.CommitmentGQ:
		if withProof = true; !strings.HasPrefix(row.ClientID, pktoken.GQAudiencePrefix) {
			claims["aud"] = pktoken.GQAudiencePrefix + row.ClientID // a row with a plain client ID takes all of this kind
		}
	case pktoken.CommitmentKeyBinding:
		typ = "dpop+id_token"
		jwk, err := publicJWK(&k.user.PublicKey, "ES256")
		if err != nil {
			return nil, nil, err
		}
		claims["cnf"] = map[string]any{"jwk": jwk}
	}

	var keys *pktoken.JWKS
	var token *pktoken.Token
	if withProof {
		var provider *rsa.PrivateKey
		var jwt string
		if provider, err = k.providerGQ(); err == nil {
			keys, jwt, err = signIDToken(provider, "RS256", typ, claims)
		}
		if err == nil {
			token, err = client.BindGQ([]byte(jwt), keys, row.Commitment)
		}
	} else {
		var jwt string
		if keys, jwt, err = signIDToken(k.provider, "ES256", typ, claims); err == nil {
			token, err = client.Bind(jwt)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromSigner(k.user)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{})
	if err != nil {
		return nil, nil, err
	}
	return certificate, pktoken.StaticKeySet{h.issuer: keys}, nil
}

// signIDToken makes a JWT (RFC 7519) and the key set that verifies it.
func signIDToken(key crypto.Signer, alg, typ string, claims map[string]any) (keys *pktoken.JWKS, jwt string, err error) {
	const kid = "hypothetical"
	header, err := json.Marshal(map[string]string{"alg": alg, "kid": kid, "typ": typ})
	if err != nil {
		return nil, "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, "", err
	}
	input := encodeBase64URL(header) + "." + encodeBase64URL(payload)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	switch key := key.(type) {
	case *ecdsa.PrivateKey: // RFC 7518 §3.4: R and S, 32 bytes each
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, key, digest[:]); err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	default: // RFC 7518 §3.3
		signature, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		return nil, "", err
	}
	jwk, err := publicJWK(key.Public(), alg)
	if err != nil {
		return nil, "", err
	}
	jwk["kid"] = kid
	document, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		return nil, "", err
	}
	keys, err = pktoken.ParseJWKS(document)
	return keys, input + "." + encodeBase64URL(signature), err
}

// publicJWK is a P-256 or RSA key as a JWK (RFC 7518 §6).
func publicJWK(key crypto.PublicKey, alg string) (map[string]any, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, X and Y (SEC 1 §2.3.3)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"kty": "EC", "crv": "P-256", "alg": alg, "x": encodeBase64URL(point[1:33]), "y": encodeBase64URL(point[33:]),
		}, nil
	case *rsa.PublicKey:
		return map[string]any{
			"kty": "RSA", "alg": alg, "n": encodeBase64URL(key.N.Bytes()), "e": encodeBase64URL(big.NewInt(int64(key.E)).Bytes()),
		}, nil
	}
	return nil, fmt.Errorf("no JWK for a %T", key)
}

func encodeBase64URL(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
