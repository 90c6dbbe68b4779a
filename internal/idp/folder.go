package idp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"opkssh/internal/filelock"
)

// maxFile bounds what is read from the cache folder.
const maxFile = 4 << 20

// folder is an open cache folder that nobody but the effective user or root can write to. Files are named relative to it, so
// that the folder that was checked is the one that is used.
type folder struct {
	root *os.Root
	path string
}

// openFolder opens and checks the cache folder. The error is an [*Error] with [ReasonFolder]; it wraps [fs.ErrNotExist] for a
// folder that is missing and should not be made.
func openFolder(path string, create bool) (*folder, error) {
	if path == "" {
		return nil, &Error{Reason: ReasonFolder, Detail: "no folder given"}
	}
	path = filepath.Clean(path)
	f, err := openCheckedFolder(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(path, 0o700); err == nil {
			f, err = openCheckedFolder(path)
		}
	}
	if err != nil {
		return nil, &Error{Reason: ReasonFolder, URL: path, Err: err}
	}
	return f, nil
}

func openCheckedFolder(path string) (*folder, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("expected a folder, got %s", named.Mode().Type())
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(named, opened) {
		err = errors.New("replaced while it was opened")
	}
	if err == nil {
		err = checkOwner(opened)
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return &folder{root: root, path: path}, nil
}

func (f *folder) close() { _ = f.root.Close() }

func (f *folder) names() ([]string, error) {
	opened, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	return opened.Readdirnames(-1)
}

// read takes regular files only, never through a symbolic link, that nobody else could have written. Between the two looks a
// writer may rename a new file over the old one, which is as good; nobody else can change names in this folder.
func (f *folder) read(name string) ([]byte, error) {
	named, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("expected a regular file, got %s", named.Mode().Type())
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	opened, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkOwner(opened); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// write replaces a file by rename, so that readers see the old one or the new one whole. The caller holds the lock under
// which name is written: the temporary file has one name, and what a crash left behind is overwritten.
func (f *folder) write(name string, data []byte) error {
	temporary := name + ".tmp"
	if err := f.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = f.root.Rename(temporary, name)
	}
	if err != nil {
		_ = f.root.Remove(temporary)
	}
	return err
}

// lock waits until it has the lock called name, or until done says that there is nothing left to do; unlock is nil then.
// waited says that somebody else held the lock. The context bounds the waiting.
func (f *folder) lock(ctx context.Context, name string, done func() bool) (unlock func(), waited bool, err error) {
	file, err := f.openLock(name + ".lock")
	if err != nil {
		return nil, false, err
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		locked, err := filelock.Try(file)
		if err != nil {
			_ = file.Close()
			return nil, waited, err
		}
		if locked {
			// The system takes the lock back when the file is closed, at the latest when the process ends.
			return func() { _ = file.Close() }, waited, nil
		}
		waited = true
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, waited, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // so that processes do not come together; no secret
		}
		if done() {
			_ = file.Close()
			return nil, waited, nil
		}
	}
}

// openLock takes away a file that another user has left in this folder, which is ours: nothing could be kept beside it.
func (f *folder) openLock(name string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE
	file, err := f.root.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrPermission) && f.root.Remove(name) == nil {
		return f.root.OpenFile(name, flags, 0o600)
	}
	return file, err
}
