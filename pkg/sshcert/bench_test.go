package sshcert_test

import "testing"

// BenchmarkCheck begins with the certificate's bytes, and does not verify its PK token.
func BenchmarkCheck(b *testing.B) {
	f := alice(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.check(b, "root"); err != nil {
			b.Fatal(err)
		}
	}
}
