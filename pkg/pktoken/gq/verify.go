package gq

import (
	"crypto/rsa"
	"crypto/subtle"
	"fmt"

	"filippo.io/bigmod"
)

// Verify checks that proof shows knowledge of a signature by key over signed, and is bound to message. For a PK token,
// signed is the signing input (RFC 7515 §5.1) of the original ID token, and message that of the token with the proof.
//
// All inputs are public, and the time depends on them: on their length, never more than a fixed amount of arithmetic.
// The error wraps [ErrKey], [ErrMalformed] or [ErrProof].
func Verify(key *rsa.PublicKey, proof, signed, message []byte) error {
	p, err := newParams(key)
	if err != nil {
		return err
	}
	if len(proof) != p.proofSize() {
		return fmt.Errorf("%w: expected %d bytes got %d", ErrMalformed, p.proofSize(), len(proof))
	}
	questions, answers := proof[:p.questionsSize()], proof[p.questionsSize():]

	// Every answer is looked at before the first one costs anything.
	s := make([]*bigmod.Nat, p.rounds)
	for i := range s {
		if s[i], err = bigmod.NewNat().SetBytes(answers[i*p.k:(i+1)*p.k], p.n); err != nil || s[i].IsZero() == 1 {
			return fmt.Errorf("%w: expected answer %d of %d in (0, n) got one outside", ErrMalformed, i+1, p.rounds)
		}
	}

	g, err := bigmod.NewNat().SetBytes(p.encode(signed), p.n)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	powers := newPowerTable(g, p.width, p.n)
	commitments := make([]*bigmod.Nat, p.rounds)
	for i := range commitments {
		w := bigmod.NewNat().ExpShortVarTime(s[i], p.e, p.n)
		powers.mul(w, p.question(questions, i))
		commitments[i] = w
	}
	if subtle.ConstantTimeCompare(p.ask(commitments, message), questions) != 1 {
		return ErrProof
	}
	return nil
}
