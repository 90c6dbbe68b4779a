package userkeys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
)

// KeyType is a kind of key that login makes.
type KeyType string

// The key types.
const (
	ECDSA   KeyType = "ecdsa"   // P-256
	Ed25519 KeyType = "ed25519" // RFC 8032
)

// ParseKeyType reads ecdsa or ed25519.
func ParseKeyType(name string) (KeyType, error) {
	switch t := KeyType(name); t {
	case ECDSA, Ed25519:
		return t, nil
	}
	return "", fmt.Errorf("key type: expected ecdsa or ed25519, got %+q", name)
}

// Generate makes a key with the system's randomness.
func Generate(t KeyType) (crypto.Signer, error) {
	switch t {
	case ECDSA:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("key type: expected ecdsa or ed25519, got %+q", string(t))
}
