//go:build unix && !aix && !solaris

package userkeys

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder keeps two logins from mixing their files in a folder. It locks the folder itself, so that no lock file stays
// behind. A file system without such locks is used without.
func lockFolder(folder string) (unlock func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	return func() { _ = dir.Close() }, nil
}
