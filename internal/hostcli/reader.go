package hostcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// reader reads a host's files. The zero value is what a login uses: files count that root alone could have written.
type reader struct {
	// untrusted: files count whoever wrote them. For commands that let nobody in, on files that are on their way to a host.
	untrusted bool
	// seen gets the path of each file that was read; err of each that was not. It may be nil.
	seen func(path string, err error)
}

// file is [hostfiles.ReadSystemRows].
func (r reader) file(path string, keep func(line []byte) bool) (data []byte, err error) {
	data, err = hostfiles.ReadSystemRows(path, keep)
	if r.untrusted && err != nil && !errors.Is(err, fs.ErrNotExist) {
		data, err = readUntrusted(path)
	}
	r.note(path, err)
	return data, err
}

// folder is [hostfiles.ReadSystemFolderRows].
func (r reader) folder(folder, suffix string, keep func(line []byte) bool) (files []hostfiles.File, faults []error) {
	files, faults = hostfiles.ReadSystemFolderRows(folder, suffix, keep)
	if r.untrusted && len(faults) > 0 {
		files, faults = readUntrustedFolder(folder, suffix)
	}
	for _, f := range files {
		r.note(f.Path, nil)
	}
	return files, faults
}

func (r reader) note(path string, err error) {
	if r.seen != nil {
		r.seen(path, err)
	}
}

// config reads config.yml. Absent it means the defaults; one that cannot be read or trusted denies every login, for it may
// hold a deny list.
func (r reader) config(folder string) (*policy.Config, error) {
	path := filepath.Join(folder, "config.yml")
	data, err := r.file(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return policy.ParseConfig(path, nil)
	}
	if err != nil {
		return nil, err
	}
	return policy.ParseConfig(path, data)
}

// readAnybodys reads a file that the command line names, whoever could have written it.
func readAnybodys(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, hostfiles.MaxSize+1))
	if err == nil && len(data) > hostfiles.MaxSize {
		err = fmt.Errorf("%s: expected at most %d bytes", path, hostfiles.MaxSize)
	}
	return data, err
}

// readUntrusted reads a file of a folder that anybody may have filled. It follows no symbolic link: what is behind it, such as the
// secrets of a CI job that looks at somebody's change, would be quoted in messages about its rows.
func readUntrusted(path string) ([]byte, error) {
	if err := checkNoLink(path); err != nil {
		return nil, err
	}
	return readAnybodys(path)
}

func checkNoLink(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() && !info.IsDir():
		return notRegular(path, info)
	}
	return nil
}

func notRegular(path string, info fs.FileInfo) error {
	return fmt.Errorf("%s: expected a regular file or folder, got %s", path, info.Mode().Type())
}

func readUntrustedFolder(folder, suffix string) (files []hostfiles.File, faults []error) {
	err := checkNoLink(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = os.ReadDir(folder) // in the order of the names
	}
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(folder, e.Name())
		data, err := readUntrusted(path)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, hostfiles.File{Path: path, Data: data})
	}
	return files, faults
}
