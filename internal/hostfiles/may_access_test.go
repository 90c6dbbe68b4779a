//go:build unix

package hostfiles

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMayRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	dir, err := os.MkdirTemp("/", "mayrun")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(t, dir) })
	folder := filepath.Join(dir, "bin")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "verifier")
	put(t, program, 0o755)
	user, root := &Account{Name: "opksshuser", UID: commandUID, GID: commandUID}, &Account{Name: "root"}
	for _, test := range []struct {
		dir, folder, program os.FileMode
		uid, gid             int // of the program
		who                  *Account
		at                   string // which is closed
	}{
		{0o755, 0o755, 0o755, 0, 0, user, ""},
		{0o755, 0o755, 0o750, 0, 0, user, program},
		{0o755, 0o755, 0o750, 0, commandUID, user, ""},
		{0o755, 0o755, 0o705, 0, commandUID, user, program},
		{0o755, 0o755, 0o500, commandUID, 0, user, ""},
		{0o755, 0o755, 0o655, commandUID, 0, user, program},
		{0o755, 0o750, 0o755, 0, 0, user, folder},
		{0o700, 0o755, 0o755, 0, 0, user, dir},
		{0o700, 0o700, 0o700, 0, 0, root, ""},
		{0o755, 0o755, 0o644, 0, 0, root, program},
	} {
		setOwner(t, dir, 0, 0, test.dir)
		setOwner(t, folder, 0, 0, test.folder)
		setOwner(t, program, test.uid, test.gid, test.program)
		err := test.who.MayRun(program)
		var fault *Fault
		if got := errors.As(err, &fault); got != (test.at != "") || got && fault.Path != test.at {
			t.Errorf("%+v: got %v", test, err)
		}
	}
	if err := user.MayRun(program + "-missing"); err == nil {
		t.Error("a missing program: expected an error")
	}
}

func TestMayOpen(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	dir, err := os.MkdirTemp("/", "mayopen")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(t, dir) })
	file := filepath.Join(dir, "ca.pem")
	put(t, file, 0o644)
	user, root := &Account{Name: "opksshuser", UID: commandUID, GID: commandUID}, &Account{Name: "root"}
	for _, test := range []struct {
		dir, file os.FileMode
		uid, gid  int // of the file
		who       *Account
		at        string // which is closed
	}{
		{0o755, 0o644, 0, 0, user, ""},
		{0o711, 0o644, 0, 0, user, ""},
		{0o755, 0o600, 0, 0, user, file},
		{0o755, 0o640, 0, commandUID, user, ""},
		{0o755, 0o604, 0, commandUID, user, file},
		{0o755, 0o400, commandUID, 0, user, ""},
		{0o744, 0o644, 0, 0, user, dir},
		{0o700, 0o000, 0, 0, root, ""},
	} {
		setOwner(t, dir, 0, 0, test.dir)
		setOwner(t, file, test.uid, test.gid, test.file)
		err := test.who.MayOpen(file)
		var fault *Fault
		if got := errors.As(err, &fault); got != (test.at != "") || got && fault.Path != test.at {
			t.Errorf("%+v: got %v", test, err)
		}
	}
	setOwner(t, dir, 0, 0, 0o711)
	var fault *Fault
	if err := user.MayOpen(dir); !errors.As(err, &fault) || fault.Path != dir {
		t.Errorf("a folder that cannot be listed: got %v", err)
	}
}
