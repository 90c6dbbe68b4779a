package sshcert_test

import (
	"crypto/rand"
	"testing"
	"time"

	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// TestNewRefusesEndBefore1970: as a certificate's unsigned number, such an end is in the far future.
func TestNewRefusesEndBefore1970(t *testing.T) {
	f := newFixture(t, pktokentest.UserKey(t), nil, sshcert.Template{ValidBefore: time.Unix(0, 0)})
	if f.cert.ValidBefore != 0 {
		t.Errorf("expected the end 0, got %d", f.cert.ValidBefore)
	}
	cert, err := sshcert.New(rand.Reader, f.signer, f.verified.Token(), sshcert.Template{ValidBefore: time.Unix(-1, 0)})
	if err == nil {
		t.Errorf("expected an error, got a certificate until %d", cert.ValidBefore)
	}
}
