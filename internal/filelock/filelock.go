// Package filelock lets one process at a time do something, and the others wait for it.
package filelock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// poll is how often a process looks whether the lock is free. The system's own waiting cannot be given up.
const poll = 30 * time.Millisecond

// Lock takes the exclusive lock of the file name, which is made, with mode 0600, in a folder that must be there. While another
// process or another call has it, Lock waits until ctx ends; the error is then the cause of ctx. waited is whether somebody
// else had it; waiting is called before the first wait, if it is not nil. The file stays behind, empty. Whoever has the lock may remove it.
func Lock(ctx context.Context, name string, waiting func()) (unlock func(), waited bool, err error) {
	for {
		unlock, err := attempt(name)
		if unlock != nil || err != nil {
			return unlock, waited, err
		}
		if !waited && waiting != nil {
			waiting()
		}
		waited = true
		select {
		case <-ctx.Done():
			return nil, waited, context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}

// attempt gives nothing and no error while somebody else has the lock.
func attempt(name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := Try(file)
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: name, Err: err}, file.Close())
	}
	// Between our opening and our locking it may have been removed, and another one been made and locked by somebody else.
	if locked && IsAt(file, name) {
		return func() { _ = file.Close() }, nil
	}
	return nil, file.Close()
}

// IsAt is whether name still leads to the open file, and not to another one or none.
func IsAt(file *os.File, name string) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(name)
	return err == nil && os.SameFile(ours, there)
}
