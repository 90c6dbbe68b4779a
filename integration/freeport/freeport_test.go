package freeport_test

import (
	"os"
	"path/filepath"
	"testing"

	"opkssh/integration/freeport"
)

func TestFind(t *testing.T) {
	if port := freeport.Find(t); port < 10240 || port > 32767 {
		t.Errorf("expected a port that the kernel does not give to others, got %d", port)
	}
}

// TestTaken: nobody gets a port that a test has, though nothing listens there. It is given back at the end.
func TestTaken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Run("inner", func(t *testing.T) {
		had := map[int]bool{}
		for range 500 {
			port := freeport.Find(t)
			if had[port] {
				t.Fatalf("got the port %d twice", port)
			}
			had[port] = true
		}
	})
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %d files, %v", len(left), err)
	}
}
