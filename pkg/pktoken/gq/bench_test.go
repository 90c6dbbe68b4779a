package gq_test

import (
	"crypto/rand"
	"testing"

	"opkssh/pkg/pktoken/gq"
)

func BenchmarkProve(b *testing.B) {
	key := key2048()
	sig := key.sign(signed)
	for b.Loop() {
		if _, err := gq.Prove(rand.Reader, key.PublicKey, sig, signed, message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProveBigInt(b *testing.B) {
	key := key2048()
	sig := key.sign(signed)
	for b.Loop() {
		refProve(key.PublicKey, sig, signed, message)
	}
}

func BenchmarkVerify(b *testing.B) {
	key := key2048()
	proof := mustProve(b, key)
	for b.Loop() {
		if err := gq.Verify(key.PublicKey, proof, signed, message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBigInt(b *testing.B) {
	key := key2048()
	proof := mustProve(b, key)
	for b.Loop() {
		if !refVerify(key.PublicKey, proof, signed, message) {
			b.Fatal("a good proof is refused")
		}
	}
}
