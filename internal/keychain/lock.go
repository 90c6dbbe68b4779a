package keychain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"opkssh/internal/filelock"
)

// lock keeps other processes from an entry. Its file is there as long as somebody has it or waits for it.
type lock struct {
	file    string
	keep    bool // the file is an older release's, which tells of an entry
	release func()
}

const lockSuffix = ".lock"

func (s *Store) lockFile(name string) string { return filepath.Join(s.Folder, name+lockSuffix) }

// Lock keeps other processes from a key's entry: a refresh token that rotates can be used once. Those of other keys are free.
func (s *Store) Lock(ctx context.Context, k Key) (unlock func(), err error) {
	l, err := s.lock(ctx, k.name())
	if err != nil {
		return nil, err
	}
	return l.unlock, nil
}

// lockAttempts and lockPause are far above what other processes need to leave the folder alone.
const (
	lockAttempts = 100
	lockPause    = 10 * time.Millisecond
)

func (s *Store) lock(ctx context.Context, name string) (*lock, error) {
	l := &lock{file: s.lockFile(name), keep: isOlder(name)}
	for attempt := 1; ; attempt++ {
		err := os.MkdirAll(s.Folder, 0o700)
		if err == nil {
			l.release, _, err = filelock.Lock(ctx, l.file, nil)
		}
		if err == nil {
			return l, nil
		}
		if attempt == lockAttempts || !isPassing(err) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockPause):
		}
	}
}

// isPassing is whether another process may just be removing the file, or the folder.
func isPassing(err error) bool {
	var failed *fs.PathError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || runtime.GOOS == "windows" && errors.As(err, &failed)
}

func (l *lock) unlock() {
	// Windows removes no file that anybody has open, so that it has to be released first, and stays if somebody else has it by then. Elsewhere
	// another process could take the lock in between, and lose its file.
	if runtime.GOOS == "windows" {
		l.release()
		l.removeFile()
	} else {
		l.removeFile()
		l.release()
	}
	// Only what is empty goes, and no link to a folder elsewhere, which a person has made.
	if folder, err := os.Lstat(filepath.Dir(l.file)); err == nil && folder.IsDir() {
		_ = os.Remove(filepath.Dir(l.file))
	}
}

func (l *lock) removeFile() {
	if !l.keep {
		_ = os.Remove(l.file)
	}
}
