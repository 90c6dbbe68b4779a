package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// accessAttributes say who may read a file, beside its mode: an access control list (acl(5)) and the label of SELinux.
var accessAttributes = []string{"system.posix_acl_access", "security.selinux"}

// copyAccess gives a file what another one, followed through links, has of accessAttributes. Where neither the file nor its file
// system has them there is nothing to do.
func copyAccess(from string, to *os.File) error {
	for _, name := range accessAttributes {
		const most = 64 << 10 // of an attribute, on Linux
		value := make([]byte, most)
		n, err := unix.Getxattr(from, name, value)
		switch {
		case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP):
			continue
		case err == nil:
			err = unix.Fsetxattr(int(to.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return &fs.PathError{Op: fmt.Sprintf("copy %s of", name), Path: from, Err: err}
		}
	}
	return nil
}

// hasAccessList is whether more than the mode says who may read an open file.
func hasAccessList(file *os.File) bool {
	n, err := unix.Fgetxattr(int(file.Fd()), accessAttributes[0], nil)
	return err == nil && n > 0
}

// hasAccessListAt is hasAccessList for a path without symbolic links.
func hasAccessListAt(path string) bool {
	n, err := unix.Lgetxattr(path, accessAttributes[0], nil)
	return err == nil && n > 0
}
