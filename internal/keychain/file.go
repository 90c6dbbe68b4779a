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

// writeFile replaces the file by rename, so that a crash leaves the old entry or the new one.
func (s *Store) writeFile(name string, data []byte) (err error) {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(s.Folder, name+".*.new") // mode 0600
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
	return os.Rename(file.Name(), s.file(name))
}

// readFile takes no file that others could have read or written.
func readFile(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("expected a regular file with mode 0600: others could read it")}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
