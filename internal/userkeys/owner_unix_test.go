//go:build unix

package userkeys_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

// TestReplacedFilesKeepTheirOwner: root may have somebody's home folder, as under sudo. For anybody else all of it is their own. Root's key
// is given to nobody who left a pair in a folder where everybody may.
func TestReplacedFilesKeepTheirOwner(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 12345, 12346
	}
	folder := t.TempDir()
	config, shared := filepath.Join(folder, "config"), filepath.Join(folder, "shared")
	pair := userkeys.At(filepath.Join(folder, "id"))
	login(t, pair)
	if err := errors.Join(os.WriteFile(shared, nil, 0o640), os.Symlink(shared, config)); err != nil {
		t.Fatal(err)
	}
	everybodys := t.TempDir()
	foreign := userkeys.At(filepath.Join(everybodys, "id"))
	login(t, foreign)
	if err := os.Chmod(everybodys, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	replaced := []string{folder, shared, pair.Key, pair.Certificate, foreign.Key, foreign.Certificate}
	for _, name := range replaced {
		if err := os.Chown(name, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := userkeys.InstallHostConfig(folder, []byte("Host a\n")); err != nil {
		t.Fatal(err)
	}
	key, cert := credential(t, userkeys.Ed25519)
	if err := errors.Join(pair.Write(key, cert), foreign.Write(key, cert)); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, uid, gid, 0o640, shared)
	wantOwner(t, uid, gid, 0o600, pair.Key)
	wantOwner(t, uid, gid, 0o644, pair.Certificate)
	wantOwner(t, os.Geteuid(), os.Getegid(), 0o600, foreign.Key)
	wantOwner(t, os.Geteuid(), os.Getegid(), 0o644, foreign.Certificate)
	if err := errors.Join(os.Chown(foreign.Certificate, uid, gid), pair.Renew(certify(t, key)), foreign.Renew(certify(t, key))); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, uid, gid, 0o644, pair.Certificate)
	wantOwner(t, os.Geteuid(), os.Getegid(), 0o644, foreign.Certificate)
	// What is new is whose it was to write it.
	if _, err := userkeys.UpdateFolderConfig(folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, os.Geteuid(), os.Getegid(), 0o600, filepath.Join(folder, userkeys.Folder, "config"))
}

func wantOwner(t *testing.T, uid, gid int, mode os.FileMode, name string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	got := info.Sys().(*syscall.Stat_t)
	if int(got.Uid) != uid || int(got.Gid) != gid || info.Mode().Perm() != mode {
		t.Errorf("%s: expected owner %d:%d, mode %o; got %d:%d, mode %o", filepath.Base(name), uid, gid, mode, got.Uid, got.Gid, info.Mode().Perm())
	}
}
