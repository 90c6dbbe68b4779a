package pktoken_test

import (
	"context"
	"testing"

	"opkssh/pkg/pktoken"
)

func BenchmarkParse(b *testing.B) {
	text := newParts(b, pktoken.CommitmentNonce).compact()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pktoken.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is of tokens that the provider signed with each algorithm, and of a GQ256 proof, with the key set parsed already.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			p := newParts(b, pktoken.CommitmentNonce)
			p.signWith(alg)
			benchmarkVerify(b, p)
		})
	}
	b.Run("GQ256", func(b *testing.B) { benchmarkVerify(b, newParts(b, pktoken.CommitmentGQ)) })
}

func benchmarkVerify(b *testing.B, p *parts) {
	token, err := pktoken.Parse(p.compact())
	if err != nil {
		b.Fatal(err)
	}
	verifier := p.verifier()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}
