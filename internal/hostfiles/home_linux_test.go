package hostfiles

import (
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadHomeWithoutOpenat2: a kernel, or a sandbox, that does not have the call is no reason to let nobody in.
func TestReadHomeWithoutOpenat2(t *testing.T) {
	account := tester(t, folder(t))
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		withFailing(t, unix.SYS_OPENAT2, errno, func() {
			if _, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{}); !errors.Is(err, errno) {
				t.Errorf("expected that the call fails with %v, got %v", errno, err)
			}
			if file, err := ReadHome(account); err != nil || string(file.Data) != "x" {
				t.Errorf("%v: expected its content, got %+v, %v", errno, file, err)
			}
		})
	}
}

// TestOpenEachNoLinksKeepsNothingOpen: a process that reads the rules of many users needs no more files for it.
func TestOpenEachNoLinksKeepsNothingOpen(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/a/b/c", "x", 0o600)
	at, err := unix.Open(dir, folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	open := func() int { return len(names(t, "/proc/self/fd")) }
	before := open()
	const times = 100
	for range times {
		for _, path := range []string{"a/b/c", "a/b/d", "a/d/c"} {
			if fd, err := openEachNoLinks(at, path, unix.O_RDONLY); err == nil {
				_ = unix.Close(fd)
			}
		}
	}
	if now := open(); now > before+times/2 {
		t.Errorf("expected about %d open files, got %d", before, now)
	}
}

// TestReadHomeClosed: rules that this process may not see are not missing ones.
func TestReadHomeClosed(t *testing.T) {
	for _, name := range []string{"", "/.opk", "/.opk/auth_id"} {
		account := self(t)
		path := account.Home + name
		write(t, account.HomeFile(), "x", 0o600)
		chmod(t, path, 0)
		withCapabilities(t, func() {
			if file, err := ReadHome(account); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: expected that it is not permitted, got %+v, %v", path, file, err)
			}
		})
		chmod(t, path, 0o700)
	}
}

// TestReadHomeOnAFailingDisk: what could not be looked at or read says nothing, and is not taken for an empty file.
func TestReadHomeOnAFailingDisk(t *testing.T) {
	account := tester(t, folder(t))
	path := write(t, folder(t)+"/f", "x", 0o600)
	for _, call := range []uint32{unix.SYS_FSTAT, unix.SYS_READ} {
		withFailing(t, call, unix.EIO, func() {
			if file, err := ReadHome(account); !errors.Is(err, unix.EIO) {
				t.Errorf("call %d: expected EIO, got %+v, %v", call, file, err)
			}
			if data, err := readOwned(path, me()); !errors.Is(err, unix.EIO) {
				t.Errorf("call %d, a file of the host: expected EIO, got %q, %v", call, data, err)
			}
		})
	}
	// Each for itself: one would make up for the other.
	at, err := unix.Open(account.Home+"/.opk", folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	withFailing(t, unix.SYS_FSTAT, unix.EIO, func() {
		if _, _, err := account.openFolder(at, ".", place{}); !errors.Is(err, unix.EIO) {
			t.Errorf("the folder: expected EIO, got %v", err)
		}
		if data, err := account.readFile(at, "auth_id", place{}); !errors.Is(err, unix.EIO) {
			t.Errorf("the file: expected EIO, got %q, %v", data, err)
		}
	})
}

// TestOpenNoLinksBelowAFolderThatCannotBeListed: to enter a home folder on the way is enough.
func TestOpenNoLinksBelowAFolderThatCannotBeListed(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/a/b/c", "x", 0o600)
	chmod(t, dir+"/a", 0o300)
	defer chmod(t, dir+"/a", 0o700)
	at, err := unix.Open(dir, folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	withCapabilities(t, func() {
		for name, open := range map[string]func(int, string, int) (int, error){"the system's": openNoLinks, "the other": openEachNoLinks} {
			fd, err := open(at, "a/b/c", unix.O_RDONLY)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_ = unix.Close(fd)
		}
	})
}
