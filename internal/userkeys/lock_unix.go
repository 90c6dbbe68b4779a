//go:build unix && !aix && !solaris

package userkeys

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// lockFolder keeps two logins from mixing their files in a folder. It locks the folder itself, so that no lock file stays
// behind. A file system without such locks is used without.
func lockFolder(folder string) (unlock func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		busy := errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
		if !busy {
			return func() { _ = dir.Close() }, nil
		}
		// Whoever can open the folder can lock it, and need not mean well.
		if time.Now().After(end) {
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: folder, Err: err}, dir.Close())
		}
	}
}

// lockPatience is far more than writing two files takes.
const lockPatience = 10 * time.Second
