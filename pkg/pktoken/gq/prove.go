package gq

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"

	"filippo.io/bigmod"
)

// Prove makes a proof of knowledge of sig, an RSASSA-PKCS1-v1_5 SHA-256 signature by key over signed, bound to message.
// For a PK token, signed is the signing input (RFC 7515 §5.1) of the original ID token, and message that of the token
// with the proof.
//
// sig stays secret: it goes through constant-time arithmetic only. It is the caller's to wipe afterwards. random must
// be a cryptographic source that never repeats itself: two proofs from the same random bytes give sig away.
//
// The error wraps [ErrKey] or [ErrSignature], or is that of random. The finished proof is verified before it is
// returned, since one with a computing error in it could give sig away; if that fails the error wraps [ErrProof].
func Prove(random io.Reader, key *rsa.PublicKey, sig, signed, message []byte) ([]byte, error) {
	p, err := newParams(key)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(signed)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], sig) != nil {
		return nil, ErrSignature
	}
	q, err := p.invert(key, sig, signed)
	if err != nil {
		return nil, err
	}
	powers := newPowerTable(q, p.width, p.n)
	defer powers.wipe()

	r := make([]*bigmod.Nat, 0, p.rounds)
	defer func() { wipe(r...) }()
	commitments := make([]*bigmod.Nat, p.rounds)
	for i := range commitments {
		x, err := p.draw(random)
		if err != nil {
			return nil, err
		}
		r = append(r, x)
		commitments[i] = bigmod.NewNat().ExpShortVarTime(x, p.e, p.n)
	}

	questions := p.ask(commitments, message)
	proof := append(make([]byte, 0, p.proofSize()), questions...)
	for i, s := range r {
		powers.mul(s, p.question(questions, i)) // r_i becomes S_i
		proof = append(proof, s.Bytes(p.n)...)
	}
	if err := Verify(key, proof, signed, message); err != nil {
		return nil, err
	}
	return proof, nil
}

// invert returns Q, the inverse of the signature s. As s^e = G, it is s^(e-1)·G^-1: what takes a time that depends on
// the value inverted is done to G, which is public.
func (p *params) invert(key *rsa.PublicKey, sig, signed []byte) (*bigmod.Nat, error) {
	g := new(big.Int).SetBytes(p.encode(signed))
	if g.ModInverse(g, key.N) == nil {
		return nil, fmt.Errorf("%w: expected a modulus without small factors got one", ErrKey)
	}
	q, err := bigmod.NewNat().SetBytes(g.FillBytes(make([]byte, p.k)), p.n)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	s, err := bigmod.NewNat().SetBytes(sig, p.n)
	if err != nil {
		return nil, ErrSignature
	}
	defer wipe(s)
	power := bigmod.NewNat().ExpShortVarTime(s, p.e-1, p.n)
	defer wipe(power)
	return q.Mul(power, p.n), nil
}

// maxDraws bounds the search for a number below the modulus. At least every second draw is one.
const maxDraws = 128

var errRandom = errors.New("gq: random source repeats itself")

// draw returns a number uniform in [1, n).
func (p *params) draw(random io.Reader) (*bigmod.Nat, error) {
	buf := make([]byte, p.k)
	defer clear(buf)
	for range maxDraws {
		if _, err := io.ReadFull(random, buf); err != nil {
			return nil, fmt.Errorf("gq: read random bytes: %w", err)
		}
		buf[0] &= 0xff >> (8*p.k - p.n.BitLen())
		x, err := bigmod.NewNat().SetBytes(buf, p.n)
		if err == nil && x.IsZero() == 0 {
			return x, nil
		}
	}
	return nil, errRandom
}
