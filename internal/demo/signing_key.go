package demo

import (
	"crypto/rand"
	"crypto/rsa"

	jose "github.com/go-jose/go-jose/v4"
)

// signingKey is a provider's RS256 key.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newSigningKey() (signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	return signingKey{id: rand.Text(), private: private}, err
}

// SignatureAlgorithm implements op.SigningKey.
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Key implements op.SigningKey.
func (k signingKey) Key() any { return k.private }

// ID implements op.SigningKey.
func (k signingKey) ID() string { return k.id }

// publishedKey is its public half in the key set.
type publishedKey struct{ key signingKey }

// ID implements op.Key.
func (k publishedKey) ID() string { return k.key.id }

// Algorithm implements op.Key.
func (k publishedKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Use implements op.Key.
func (k publishedKey) Use() string { return "sig" }

// Key implements op.Key.
func (k publishedKey) Key() any { return k.key.private.Public() }
