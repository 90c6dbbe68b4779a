//go:build unix

package hostfiles

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/internal/filelock"
)

// Lock takes the lock of path, which need not be there: flock on a file of its own beside it, .NAME.lock, which only root can open, and
// which is gone afterwards. Neither path itself nor its folder would do: whoever may read one can hold a lock on it. The folder must be
// root's alone to write. A lock that somebody else keeps for longer than patience is an error that wraps [ErrBusy].
func Lock(path string, patience time.Duration) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	for end := time.Now().Add(patience); ; {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := filelock.Try(file)
		if locked && filelock.IsAt(file, name) {
			return func() {
				// Removed while it is held, so that the next one sees that it waited for a file that is gone.
				_ = os.Remove(name)
				_ = file.Close()
			}, nil
		}
		_ = file.Close()
		switch {
		case err != nil:
			return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
		case locked: // gone, with the one who had it: once more
		case !time.Now().Before(end):
			return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrBusy}
		default:
			time.Sleep(20 * time.Millisecond)
		}
	}
}
