package gq_test

import (
	"crypto/rand"
	"testing"
	"time"

	"opkssh/pkg/pktoken/gq"
)

// compare runs ours and a plain big.Int formulation of the same in turn, so that both see the same machine. The ratio is how many
// times as long the second one takes.
func compare(b *testing.B, ours, plain func()) {
	b.Helper()
	var a, c time.Duration
	runs := 0
	for b.Loop() {
		start := time.Now()
		ours()
		middle := time.Now()
		plain()
		a, c = a+middle.Sub(start), c+time.Since(middle)
		runs++
	}
	b.ReportMetric(a.Seconds()*1000/float64(runs), "ms")
	b.ReportMetric(c.Seconds()*1000/float64(runs), "bigint-ms")
	b.ReportMetric(c.Seconds()/a.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkProveRatio(b *testing.B) {
	key := key2048()
	sig := key.sign(signed)
	compare(b, func() {
		if _, err := gq.Prove(rand.Reader, key.PublicKey, sig, signed, message); err != nil {
			b.Fatal(err)
		}
	}, func() { refProve(key.PublicKey, sig, signed, message) })
}

func BenchmarkVerifyRatio(b *testing.B) {
	key := key2048()
	proof := mustProve(b, key)
	compare(b, func() {
		if err := gq.Verify(key.PublicKey, proof, signed, message); err != nil {
			b.Fatal(err)
		}
	}, func() { refVerify(key.PublicKey, proof, signed, message) })
}
