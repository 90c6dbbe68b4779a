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

// lockPatience is far longer than an edit takes.
const lockPatience = 10 * time.Second

func editOwned(path string, allowed owners, made NewFile, edit func([]byte) ([]byte, error)) (bool, error) {
	path, err := resolveForEdit(path, allowed)
	if err != nil {
		return false, err
	}
	unlock, err := Lock(path, lockPatience)
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
	a := access{before.Uid, before.Gid, fs.FileMode(before.Mode) & fs.ModePerm, path}
	if !existed {
		if a, err = made.access(filepath.Dir(path)); err != nil {
			return false, err
		}
	}
	temporary, err := writeBeside(path, edited, a)
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
	folder, st, err := lookOwned("", filepath.Dir(path), allowed)
	if err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", &fs.PathError{Op: "open", Path: folder.path, Err: unix.ENOTDIR}
	}
	if err := folder.checkOwner(&st, allowed); err != nil {
		return "", err
	}
	return filepath.Join(folder.path, filepath.Base(path)), nil
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

// access is who may read and write a file.
type access struct {
	uid, gid uint32
	mode     fs.FileMode
	example  string // a file whose access control list and SELinux label it gets, or ""
}

// writeBeside writes a file in the folder of path, durably. Its example counts, since without the list the verifier may not be able to
// read what it has read so far.
func writeBeside(path string, data []byte, a access) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	name = file.Name()
	_, err = file.Write(data)
	// The owner first: a change of owner takes bits from the mode.
	if err == nil {
		err = file.Chown(int(a.uid), int(a.gid))
	}
	if err == nil && a.example != "" {
		err = copyAccess(a.example, file)
	}
	// The mode last: with a list, its bits for the group are the list's mask.
	if err == nil {
		err = file.Chmod(a.mode)
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
