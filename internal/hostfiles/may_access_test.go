//go:build unix

package hostfiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
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
	if err := user.MayRun(program + "-missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing program: expected that it does not exist, got %v", err)
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

// TestMayRunRelative: of a relative path the current folder is the last one.
func TestMayRunRelative(t *testing.T) {
	dir := folder(t)
	t.Chdir(dir)
	write(t, dir+"/bin/p", "x", 0o755)
	account := &Account{Name: "tester", UID: effectiveUID()}
	if err := account.MayRun("bin/p"); err != nil {
		t.Error(err)
	}
}

// fileOf is what a file's status may say.
type fileOf struct {
	fs.FileInfo
	mode fs.FileMode
	sys  any
}

func (f fileOf) Mode() fs.FileMode { return f.mode }
func (f fileOf) IsDir() bool       { return f.mode.IsDir() }
func (f fileOf) Sys() any          { return f.sys }

func TestMayRead(t *testing.T) {
	user, root := &Account{Name: "opksshuser", UID: commandUID, GID: commandUID}, &Account{Name: "root"}
	users, groups, others := &syscall.Stat_t{Uid: commandUID}, &syscall.Stat_t{Gid: commandUID}, &syscall.Stat_t{}
	for _, test := range []struct {
		who  *Account
		mode fs.FileMode
		sys  any
		want bool
	}{
		{user, 0o400, users, true}, {user, 0o377, users, false},
		{user, 0o040, groups, true}, {user, 0o737, groups, false},
		{user, 0o004, others, true}, {user, 0o773, others, false},
		{user, fs.ModeDir | 0o500, users, true}, {user, fs.ModeDir | 0o477, users, false}, {user, fs.ModeDir | 0o177, users, false},
		{user, fs.ModeDir | 0o050, groups, true}, {user, fs.ModeDir | 0o747, groups, false},
		{user, fs.ModeDir | 0o005, others, true}, {user, fs.ModeDir | 0o774, others, false},
		{root, 0, others, true}, {user, fs.ModeSymlink, others, true}, {user, 0, nil, true},
	} {
		if got := test.who.MayRead(fileOf{mode: test.mode, sys: test.sys}); got != test.want {
			t.Errorf("%s, %v of %+v: got %v", test.who.Name, test.mode, test.sys, got)
		}
	}
}
