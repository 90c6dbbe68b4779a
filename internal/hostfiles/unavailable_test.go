package hostfiles

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

func TestUnavailable(t *testing.T) {
	for errno, want := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.EIO: true, syscall.ESTALE: true,
		syscall.ENOENT: false, syscall.ENOTDIR: false, syscall.EACCES: false, syscall.EPERM: false, syscall.ELOOP: false, syscall.ENAMETOOLONG: false,
	} {
		if err := error(&fs.PathError{Op: "open", Path: "auth_id", Err: errno}); Unavailable(err) != want || Unavailable(accessFault(err)) != want {
			t.Errorf("%v: expected %v", errno, want)
		}
	}
	if Unavailable(nil) || Unavailable(&Fault{Path: "auth_id"}) {
		t.Error("expected that what is wrong with a file is no fault of the machine")
	}
	if _, err := ReadSystem(filepath.Join(t.TempDir(), "none")); Unavailable(err) {
		t.Errorf("a file that is not there: got %v", err)
	}
}
