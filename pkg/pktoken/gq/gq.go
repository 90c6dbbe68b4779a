// Package gq makes and verifies GQ256 proofs: Guillou–Quisquater proofs of knowledge of an RSASSA-PKCS1-v1_5 SHA-256
// signature (RFC 8017 §8.2), bound to a message. Whoever holds such a proof knows that the signature was made, and
// still does not have it.
//
// The package is arithmetic only. What is signed, which message the proof is bound to and whose the key is, are the
// caller's to build and to check.
//
// With k bytes of modulus n, exponent e, b = floor(log2 e), t = ceil(256/b) rounds and ceil(b/8) bytes a question,
// a proof is the t questions R_1 … R_t, followed by the t answers S_1 … S_t of k bytes each, all big-endian.
package gq

import "errors"

// What can be wrong. The errors that this package returns wrap one of these, unless reading random bytes failed.
var (
	// ErrKey: the RSA key is nil, too small, too large or no RSA key at all.
	ErrKey = errors.New("gq: unusable key")
	// ErrSignature: [Prove] was given a signature that does not verify, so there is nothing to prove.
	ErrSignature = errors.New("gq: signature does not verify")
	// ErrMalformed: the proof has the wrong length for the key, or an answer outside (0, n).
	ErrMalformed = errors.New("gq: malformed proof")
	// ErrProof: the proof is well-formed and false: made for another key, another signed text or another message,
	// or made without the signature.
	ErrProof = errors.New("gq: proof does not verify")
)
