// Package endtoend puts the built programs between real parts: people log in with opkssh at real OpenID providers, and ssh takes
// them to a real sshd that asks our verifier.
package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Programs are the folder with the built opkssh and verifier, as a release builds them.
func Programs(t testing.TB) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, "opkssh/cmd/opkssh", "opkssh/cmd/verifier")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

// RemovePrograms is for TestMain, after the tests.
func RemovePrograms() {
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// Opkssh is the path of the built opkssh.
func Opkssh(t testing.TB) string { return filepath.Join(Programs(t), "opkssh") }

// Verifier is the path of the built verifier.
func Verifier(t testing.TB) string { return filepath.Join(Programs(t), "verifier") }
