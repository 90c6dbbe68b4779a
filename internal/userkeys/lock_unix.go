//go:build unix

package userkeys

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"opkssh/internal/filelock"
)

// lockFolder keeps two logins from mixing their files in a folder. It locks the folder itself, so that no lock file stays
// behind. A file system without such locks is used without.
func lockFolder(folder string) (unlock func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		if locked, err := filelock.Try(dir); locked || err != nil {
			return func() { _ = dir.Close() }, nil
		}
		// Whoever can open the folder can lock it, and need not mean well.
		if time.Now().After(end) {
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: folder, Err: syscall.EWOULDBLOCK}, dir.Close())
		}
	}
}

// lockPatience is far more than writing two files takes.
const lockPatience = 10 * time.Second
