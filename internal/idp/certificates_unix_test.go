//go:build unix

package idp_test

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"opkssh/internal/idp"
)

// leftOut gives every file, and keeps what it is told.
type leftOut struct{ errs []error }

func (*leftOut) File(path string) ([]byte, error) { return os.ReadFile(path) }

func (*leftOut) CheckFolder(string) error { return nil }

func (l *leftOut) LeftOut(_ string, errs []error) { l.errs = append(l.errs, errs...) }

// TestCertificateFolderOfASystem: links are followed, a link to nothing is said to be left out, and what is no file is passed over:
// a FIFO would be waited for.
func TestCertificateFolderOfASystem(t *testing.T) {
	op, folder := newProvider(t), t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "root.pem")
	must(t, os.WriteFile(elsewhere, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw}), 0o600))
	must(t, errors.Join(
		os.Symlink(elsewhere, filepath.Join(folder, "0a775a30.0")),
		os.Symlink(elsewhere+"-gone", filepath.Join(folder, "gone.pem")),
		syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o600),
		os.Mkdir(filepath.Join(folder, "java"), 0o700),
	))
	var reader leftOut
	c := op.newCache("", newClock())
	c.Network = idp.Network{Getenv: environment(map[string]string{"SSL_CERT_DIR": folder}), Certificates: &reader}
	wantKey(t, c, op.issuer, "one", true)
	if len(reader.errs) != 1 || !errors.Is(reader.errs[0], os.ErrNotExist) {
		t.Errorf("expected the link to nothing, got %v", reader.errs)
	}
}
