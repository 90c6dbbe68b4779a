package keychain

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxFile is far above what a refresh token takes.
const maxFile = 64 << 10

const fileSuffix = ".json"

func (s *Store) file(name string) string { return filepath.Join(s.Folder, name+fileSuffix) }

// newSuffix ends the name of a file that is being written. What a crash leaves under it, the next writing or Delete removes.
const newSuffix = ".new"

// writeFile replaces the file by rename, so that a crash leaves the old entry or the new one.
func (s *Store) writeFile(name string, data []byte) (err error) {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	path := s.file(name)
	if err := removeFile(path + newSuffix); err != nil {
		return err
	}
	file, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// errOpen: what others may have read is of no use, and is to be forgotten soon.
var errOpen = errors.New("expected a file with mode 0600: others could read it")

// readFile takes no file that others could have read or written.
func readFile(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("expected a regular file")}
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errOpen}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// removeFiles removes an entry, and what a crash has left of a newer one.
func (s *Store) removeFiles(name string) error {
	path := s.file(name)
	return errors.Join(removeFile(path), removeFile(path+newSuffix))
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
