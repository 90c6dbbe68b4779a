package pktoken

import (
	"crypto"
	"fmt"
	"io"
	"slices"

	"github.com/lestrrat-go/dsig"
)

// AlgorithmGQ256 is the `alg` of a Guillou–Quisquater proof of an RS256 signature.
const AlgorithmGQ256 = "GQ256"

// jwsAlgorithms are the ones that a provider may sign with (RFC 7518 §3.1, RFC 8037 §3.1). `none`, the HMAC family and
// everything with SHA-1 or a key that the other side could choose stay out.
var jwsAlgorithms = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}

// Algorithms lists what a provider may sign ID tokens with, beside a GQ256 proof of an RS256 signature.
func Algorithms() []string { return slices.Clone(jwsAlgorithms) }

// keyTypes says which JWK an algorithm goes with.
var keyTypes = map[string]struct{ kty, crv string }{
	"RS256": {"RSA", ""},
	"PS256": {"RSA", ""},
	"ES256": {"EC", "P-256"},
	"ES384": {"EC", "P-384"},
	"EdDSA": {"OKP", "Ed25519"},
}

var signatureSchemes = map[string]string{
	"RS256": dsig.RSAPKCS1v15WithSHA256,
	"PS256": dsig.RSAPSSWithSHA256,
	"ES256": dsig.ECDSAWithP256AndSHA256,
	"ES384": dsig.ECDSAWithP384AndSHA384,
	"EdDSA": dsig.EdDSA,
}

// verifySignature checks a JWS signature. The key was chosen for alg by publicKeyFor.
func verifySignature(alg string, key crypto.PublicKey, signed, signature []byte) error {
	scheme, ok := signatureSchemes[alg]
	if !ok {
		return fmt.Errorf("algorithm %q", alg)
	}
	return dsig.Verify(key, scheme, signed, signature)
}

func makeSignature(random io.Reader, alg string, key crypto.Signer, signed []byte) ([]byte, error) {
	scheme, ok := signatureSchemes[alg]
	if !ok {
		return nil, fmt.Errorf("algorithm %q", alg)
	}
	return dsig.Sign(key, scheme, signed, random)
}
