//go:build unix

package hostfiles

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// editMode is that of a new file without an example: the verifier reads it as a member of the folder's group.
const editMode = 0o640

func editOwned(path string, allowed owners, like []string, edit func([]byte) ([]byte, error)) (bool, error) {
	path, err := resolveForEdit(path, allowed)
	if err != nil {
		return false, err
	}
	unlock, err := lockFile(path)
	if err != nil {
		return false, err
	}
	defer unlock()
	before, existed, err := statForEdit(path)
	if err != nil {
		return false, err
	}
	var old []byte
	if existed {
		if old, err = readOwned(path, allowed); err != nil {
			return false, err
		}
	}
	edited, err := edit(old)
	if err != nil {
		return false, err
	}
	if bytes.Equal(edited, old) {
		return false, nil
	}
	example := path
	if !existed {
		if before, example, err = newFileStat(filepath.Dir(path), like); err != nil {
			return false, err
		}
	}
	temporary, err := writeBeside(path, edited, before, example)
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temporary) }()
	// An editor takes no lock. This does not close the gap, it makes it small.
	if now, exists, err := statForEdit(path); err != nil || exists != existed || exists && !sameFile(now, before) {
		return false, errors.Join(&fs.PathError{Op: "edit", Path: path, Err: ErrChanged}, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return false, err
	}
	return true, syncFolder(filepath.Dir(path))
}

// resolveForEdit gives the path without symbolic links. Nobody else than the owners can make or replace a file there.
func resolveForEdit(path string, allowed owners) (string, error) {
	resolved, err := resolveOwned(path, allowed)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return resolved, err
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSymlink == 0 {
			// Another edit has made it just now.
			return resolveOwned(path, allowed)
		}
		// A symbolic link that leads nowhere: whoever made it meant another file than a new one.
		return "", &Fault{Path: path, Detail: "kind of file", Expected: "a regular file", Got: "a symbolic link to a missing one"}
	}
	folder, err := resolveOwned(filepath.Dir(path), allowed)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(folder, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: folder, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", &fs.PathError{Op: "open", Path: folder, Err: unix.ENOTDIR}
	}
	if err := checkOwner(folder, &st, allowed); err != nil {
		return "", err
	}
	return filepath.Join(folder, filepath.Base(path)), nil
}

func statForEdit(path string) (st unix.Stat_t, exists bool, err error) {
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, fs.ErrNotExist):
		return st, false, nil
	case err != nil:
		return st, false, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return st, true, nil
}

func sameFile(a, b unix.Stat_t) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Size == b.Size && a.Mtim == b.Mtim && a.Ctim == b.Ctim
}

// newFileStat is what a new file in folder shall have, and the file that is its example, or "".
func newFileStat(folder string, like []string) (st unix.Stat_t, example string, err error) {
	for _, name := range like {
		example := filepath.Join(folder, name)
		if err := unix.Stat(example, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			st.Uid, st.Mode = effectiveUID(), st.Mode&0o644
			return st, example, nil
		}
	}
	if err := unix.Lstat(folder, &st); err != nil {
		return st, "", &fs.PathError{Op: "lstat", Path: folder, Err: err}
	}
	st.Uid, st.Mode = effectiveUID(), editMode
	return st, "", nil
}

// writeBeside writes a file in the folder of path, durably, with the owner, group and mode of like, and the access control list
// of example, if one is named: without it the verifier may not be able to read what it has read so far.
func writeBeside(path string, data []byte, like unix.Stat_t, example string) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	name = file.Name()
	_, err = file.Write(data)
	// The owner first: a change of owner takes bits from the mode.
	if err == nil {
		err = file.Chown(int(like.Uid), int(like.Gid))
	}
	if err == nil && example != "" {
		err = copyAccess(example, file)
	}
	// The mode last: with a list, its bits for the group are the list's mask.
	if err == nil {
		err = file.Chmod(fs.FileMode(like.Mode) & fs.ModePerm)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(name)
		return "", err
	}
	return name, nil
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lockPatience is far longer than an edit takes.
const lockPatience = 10 * time.Second

// lockFile takes the lock of path: flock on a file of its own beside it, which only root can open, and which is gone
// afterwards. The file itself would not do, since the verifier's user may read it, and could hold a lock on it.
func lockFile(path string) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && isStill(name, file) {
			return func() {
				// Removed while it is held, so that the next one sees that it waited for a file that is gone.
				_ = os.Remove(name)
				_ = file.Close()
			}, nil
		}
		_ = file.Close()
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
		}
		if time.Now().After(end) {
			return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrBusy}
		}
	}
}

func isStill(name string, file *os.File) bool {
	there, err := os.Lstat(name)
	if err != nil {
		return false
	}
	ours, err := file.Stat()
	return err == nil && os.SameFile(there, ours)
}
