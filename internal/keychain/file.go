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

func (s *Store) file(a Account) string { return filepath.Join(s.Folder, a.name()+".json") }

// writeFile replaces the file by rename, so that a crash leaves the old entry or the new one.
func (s *Store) writeFile(a Account, data []byte) (err error) {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(s.Folder, a.name()+".*.new") // mode 0600
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
	return os.Rename(file.Name(), s.file(a))
}

// readFile takes no file that others could have read or written.
func (s *Store) readFile(a Account) ([]byte, error) {
	info, err := os.Lstat(s.file(a))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, &fs.PathError{Op: "read", Path: s.file(a), Err: errors.New("expected a regular file with mode 0600: others could read it")}
	}
	file, err := os.Open(s.file(a))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

func (s *Store) removeFile(a Account) error {
	if err := os.Remove(s.file(a)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
