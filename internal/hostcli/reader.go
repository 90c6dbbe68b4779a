package hostcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// reader reads a host's files. The zero value is what a login uses: files count that root alone could have written.
type reader struct {
	// untrusted: files count whoever wrote them. For commands that let nobody in, on files that are on their way to a host.
	untrusted bool
	// checkout, beside untrusted, is a folder that is not where a host has it. No symbolic link is followed in it then, not even root's, who
	// may have made the checkout of a stranger's change. "" is none.
	checkout string
	// seen gets the path of each file that was read; err of each that was not. It may be nil.
	seen func(path string, err error)
}

// everybodysReader is for files in a folder, whoever wrote them.
func everybodysReader(folder string) reader {
	if folder = filepath.Clean(folder); folder == defaultConfigDir {
		return reader{untrusted: true}
	}
	return reader{untrusted: true, checkout: folder}
}

// file is [hostfiles.ReadSystemRows].
func (r reader) file(path string, keep func(line []byte) bool) (data []byte, err error) {
	if r.checkout != "" {
		if err = r.checkNoLinks(path); err == nil {
			data, err = readAnybodys(path)
		}
	} else {
		data, err = hostfiles.ReadSystemRows(path, keep)
		if r.untrusted && err != nil && !errors.Is(err, fs.ErrNotExist) {
			data, err = readUntrusted(path)
		}
	}
	r.note(path, err)
	return data, err
}

// list is [hostfiles.ListSystemFolder].
func (r reader) list(folder, suffix string) (paths []string, err error) {
	if r.checkout != "" {
		if err = r.checkNoLinks(folder); err == nil {
			paths, err = dropIns(folder, suffix, math.MaxInt)
		}
	} else {
		paths, err = hostfiles.ListSystemFolder(folder, suffix)
		if r.untrusted && err != nil {
			paths, err = dropIns(folder, suffix, math.MaxInt)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return paths, err
}

// folder is [hostfiles.ReadSystemFolder].
func (r reader) folder(folder, suffix string) (files []hostfiles.File, faults []error) {
	paths, err := r.list(folder, suffix)
	if err != nil {
		return nil, []error{err}
	}
	for _, path := range paths {
		data, err := r.file(path, nil)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, hostfiles.File{Path: path, Data: data})
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

// checkNoLinks is checkNoLink for all that a checkout may have brought: down from its folder, and with the folders above where its path
// starts in the current one.
func (r reader) checkNoLinks(path string) error {
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if err := checkNoLink(at); err != nil {
			return err
		}
		if at == filepath.Dir(at) || at == r.checkout && filepath.IsAbs(at) {
			return nil
		}
	}
}

// resolve follows root's links, where they count.
func (r reader) resolve(path string) string {
	if r.checkout == "" {
		if resolved, err := hostfiles.ResolveSystem(path); err == nil {
			return resolved
		}
	}
	return path
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

// dropIns is [hostfiles.ListSystemFolder] for a folder whosoever, with at most so many names. It follows no link.
func dropIns(folder, suffix string, most int) (paths []string, err error) {
	if err := checkNoLink(folder); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(folder, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	names, err := file.Readdirnames(min(most, math.MaxInt-1) + 1)
	switch {
	case errors.Is(err, io.EOF):
		err = nil
	case len(names) > most:
		return nil, errTooMuch
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".") {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return paths, err
}
