package gq_test

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/pktoken/gq"
)

func FuzzVerify(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.key.N.Bytes(), v.key.E, v.proof, v.signed, v.message)
		f.Add(v.key.N.Bytes(), v.key.E, v.proof[:len(v.proof)-1], v.signed, v.message)
		f.Add(v.key.N.Bytes(), 65539, v.proof, v.signed, v.message)
	}
	odd := bytes.Repeat([]byte{0xff}, 256)
	f.Add(odd, 3, make([]byte, 256+256*256), []byte("signed"), []byte("message"))
	f.Add(odd, 3, bytes.Repeat([]byte{1}, 256+256*256), []byte("signed"), []byte("message"))
	f.Add(odd, 1<<31-1, bytes.Repeat([]byte{1}, 9*4+9*256), []byte("signed"), []byte("message"))
	f.Add(odd[:255], 65537, []byte{}, []byte{}, []byte{})
	f.Add([]byte{}, 0, []byte{}, []byte{}, []byte{})

	f.Fuzz(func(t *testing.T, n []byte, e int, proof, signed, message []byte) {
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: e}
		var err error
		allocation.Check(t, len(n)+len(proof)+len(signed)+len(message), func() { err = gq.Verify(key, proof, signed, message) })
		switch {
		case err == nil:
			if !refVerify(key, proof, signed, message) {
				t.Error("the reference refuses it")
			}
		case errors.Is(err, gq.ErrKey):
			if gq.ProofSize(key) != 0 {
				t.Errorf("proofs of %d bytes for an unusable key", gq.ProofSize(key))
			}
		case errors.Is(err, gq.ErrMalformed), errors.Is(err, gq.ErrProof):
			if refVerify(key, proof, signed, message) {
				t.Error("the reference accepts it")
			}
		default:
			t.Errorf("undocumented error: %v", err)
		}
	})
}
