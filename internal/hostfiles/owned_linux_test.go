package hostfiles

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadWhatIsClosed: a file or folder that is as it should be, and that we may not read, is no missing one.
func TestReadWhatIsClosed(t *testing.T) {
	dir := folder(t)
	file, unseen := write(t, dir+"/d/f", "x", 0), write(t, dir+"/e/f", "x", 0o600)
	write(t, dir+"/open/f", "x", 0o600)
	write(t, dir+"/l/f", "x", 0o600)
	chmod(t, dir+"/e", 0o600)
	chmod(t, dir+"/l", 0o300)
	t.Cleanup(func() {
		for _, name := range []string{"/e", "/l"} {
			chmod(t, dir+name, 0o700)
		}
	})
	withCapabilities(t, func() {
		for _, path := range []string{file, unseen} {
			if data, err := readOwned(path, me()); !errors.Is(err, unix.EACCES) {
				t.Errorf("%s: expected EACCES, got %q, %v", path, data, err)
			}
		}
		for _, path := range []string{dir + "/e/d", dir + "/l"} {
			if names, err := listOwned(path, me()); !errors.Is(err, unix.EACCES) {
				t.Errorf("the names in %s: expected EACCES, got %q, %v", path, names, err)
			}
		}
		if me()[0] != 0 {
			return // nothing here is root's
		}
		var fault *Fault
		for path, at := range map[string]string{file: file, unseen: dir + "/e"} {
			if data, err := ReadSystem(path); !errors.As(err, &fault) || fault.Detail != "access" || fault.Path != at {
				t.Errorf("%s: expected that %s is at fault, got %q, %v", path, at, data, err)
			}
		}
		for path, at := range map[string]string{dir + "/d": file, dir + "/e": dir + "/e", dir + "/l": dir + "/l"} {
			files, faults := ReadSystemFolder(path, "")
			if len(files) != 0 || len(faults) != 1 || !errors.As(faults[0], &fault) || fault.Detail != "access" || fault.Path != at {
				t.Errorf("the files in %s: expected that %s is at fault, got %v, %v", path, at, files, faults)
			}
		}
	})
}

// TestAccessFaultOfANumber: a group may have no name on this host.
func TestAccessFaultOfANumber(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about groups")
	}
	const group, same = 61_004, ^uintptr(0)
	onOneThread(t, func() error {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, same, group, same); errno != 0 {
			return errno
		}
		return nil
	}, func() {
		var fault *Fault
		err := accessFault(&fs.PathError{Op: "open", Path: "/etc", Err: unix.EACCES})
		if !errors.As(err, &fault) || fault.Hint != "chgrp 61004 '/etc' && chmod g+r '/etc'" {
			t.Errorf("got %+v", err)
		}
	})
}
