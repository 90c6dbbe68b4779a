package gq

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"fmt"
	"math"
	"math/bits"

	"filippo.io/bigmod"
)

const (
	minModulusBits = 2048
	maxModulusBits = 8192 // bounds the work that one proof can ask for
	minExponent    = 3
	maxExponent    = math.MaxInt32 // the largest that crypto/rsa takes
	securityBits   = 256           // what all questions together are worth
)

// shape is what the sizes in a proof follow from.
type shape struct {
	k      int // bytes of the modulus, and of an answer
	rounds int
	width  int // bytes of a question
}

// shapeOf checks the key and returns the shape of its proofs.
func shapeOf(key *rsa.PublicKey) (shape, error) {
	if key == nil || key.N == nil {
		return shape{}, fmt.Errorf("%w: expected an RSA public key got none", ErrKey)
	}
	if key.N.Sign() <= 0 || key.N.BitLen() < minModulusBits || key.N.BitLen() > maxModulusBits {
		return shape{}, fmt.Errorf("%w: expected a modulus of %d to %d bits got sign %d and %d bits",
			ErrKey, minModulusBits, maxModulusBits, key.N.Sign(), key.N.BitLen())
	}
	if key.N.Bit(0) == 0 {
		return shape{}, fmt.Errorf("%w: expected an odd modulus got an even one", ErrKey)
	}
	if key.E < minExponent || key.E > maxExponent || key.E%2 == 0 {
		return shape{}, fmt.Errorf("%w: expected an odd exponent of %d to %d got %d", ErrKey, minExponent, maxExponent, key.E)
	}
	b := bits.Len(uint(key.E)) - 1
	return shape{
		k:      (key.N.BitLen() + 7) / 8,
		rounds: (securityBits + b - 1) / b,
		width:  (b + 7) / 8,
	}, nil
}

// questionsSize is the length of all questions together.
func (s shape) questionsSize() int { return s.rounds * s.width }

// proofSize is the length of a proof.
func (s shape) proofSize() int { return s.questionsSize() + s.rounds*s.k }

// ProofSize returns the length in bytes of every proof under key, or 0 if the key is unusable.
func ProofSize(key *rsa.PublicKey) int {
	s, err := shapeOf(key)
	if err != nil {
		return 0
	}
	return s.proofSize()
}

// params is a checked key, ready for arithmetic.
type params struct {
	shape
	n *bigmod.Modulus
	e uint
}

func newParams(key *rsa.PublicKey) (*params, error) {
	s, err := shapeOf(key)
	if err != nil {
		return nil, err
	}
	n, err := bigmod.NewModulus(key.N.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &params{shape: s, n: n, e: uint(key.E)}, nil
}

// sha256DigestInfo is the DER encoding of DigestInfo for SHA-256 up to the hash (RFC 8017 §9.2, note 1).
const sha256DigestInfo = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

// encode returns G, the k bytes of EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §9.2). It starts with a zero byte, so that G < n.
func (s shape) encode(signed []byte) []byte {
	hash := sha256.Sum256(signed)
	em := make([]byte, s.k)
	tail := em[s.k-len(hash)-len(sha256DigestInfo):]
	copy(tail[copy(tail, sha256DigestInfo):], hash[:])
	for i := range em[:s.k-len(tail)-1] {
		em[i] = 0xff
	}
	em[0], em[1] = 0, 1
	return em
}

// ask hashes the commitments W_1 … W_t and the message into the questions.
func (p *params) ask(commitments []*bigmod.Nat, message []byte) []byte {
	h := sha3.NewSHAKE256()
	for _, w := range commitments {
		_, _ = h.Write(w.Bytes(p.n)) // a hash never returns an error
	}
	_, _ = h.Write(message)
	questions := make([]byte, p.questionsSize())
	_, _ = h.Read(questions)
	return questions
}

// question returns R_i out of all questions.
func (s shape) question(questions []byte, i int) []byte {
	return questions[i*s.width : (i+1)*s.width]
}
