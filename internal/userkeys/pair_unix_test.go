//go:build unix

package userkeys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/sshcert"
)

// Opening a pipe would wait for its other end.
func TestAPipeIsNotOpened(t *testing.T) {
	pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
	if err := syscall.Mkfifo(pair.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	checkForeign(t, "Available", pair.Available(), "id")
}

// Whoever can open the folder can take its lock, and keep it: Write gives up, and leaves nothing behind.
func TestWriteDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	dir, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	key, cert := credential(t, userkeys.ECDSA)
	if err := userkeys.At(filepath.Join(folder, "id")).Write(key, cert); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("expected EWOULDBLOCK, got %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A crash can come at any moment, and what another process sees at that moment is what it leaves: never a key beside a
// certificate of another key. While keys are replaced this looks at the files as often as it can.
func TestAtNoMomentAKeyIsBesideAnotherKeysCertificate(t *testing.T) {
	pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
	var writes []func() error // each with a pair of its own, so that what we see twice was there all the time
	for range 40 {
		key, cert := credential(t, userkeys.ECDSA)
		writes = append(writes, func() error { return pair.Write(key, cert) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, write := range writes {
			if err := write(); err != nil {
				t.Error(err)
			}
		}
	}()
	for writing := true; writing && !t.Failed(); {
		select {
		case <-done:
			writing = false
		default:
		}
		before, _ := os.ReadFile(pair.Certificate)
		pem, _ := os.ReadFile(pair.Key)
		after, _ := os.ReadFile(pair.Certificate)
		if pem == nil || !bytes.Equal(before, after) {
			continue // no key, or the certificate changed while we looked
		}
		key, keyErr := ssh.ParsePrivateKey(pem)
		cert, _, certErr := sshcert.ParseLine(after)
		switch {
		case keyErr != nil || certErr != nil:
			t.Errorf("half a pair: %v, %v", keyErr, certErr)
		case !bytes.Equal(key.PublicKey().Marshal(), cert.SSH().Key.Marshal()):
			t.Error("a private key beside another key's certificate")
		}
	}
	<-done
}
