//go:build unix

package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Try takes the exclusive lock of an open file, or says that another open file has it, of this or another process. [Release] and
// closing the file give it back.
func Try(file *os.File) (bool, error) {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

// Release gives the lock of [Try] back, and keeps the file open.
func Release(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }
