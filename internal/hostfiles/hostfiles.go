// Package hostfiles opens the files that decide who may log in, and refuses those that somebody else than their owner could
// have written.
package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 64 << 20

// Fault is a file that is there and is not to be trusted.
type Fault struct {
	Path     string // the file, or the folder above it that is at fault
	Detail   string
	Expected string
	Got      string
	Hint     string // what to do: a command that may be pasted, or words that are none; or ""
}

// Error says what was expected and found.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s: %s: expected %s, got %s", f.Path, f.Detail, f.Expected, f.Got)
}

// File is a file that was read.
type File struct {
	Path string
	Data []byte
}

// ReadSystem reads a file of the host. The file, and every folder on the way to it, must belong to root and be writable by
// nobody else; symbolic links are followed where only root could have made them. A missing file gives an error that
// wraps [fs.ErrNotExist], a file that is not to be trusted a [*Fault], and so does a symbolic link to a missing file.
func ReadSystem(path string) ([]byte, error) { return ReadSystemRows(path, nil) }

// ReadSystemRows is [ReadSystem] for a file of which few lines matter: those for which keep is false may come back empty, so
// that a file of a hundred thousand rows costs neither memory nor time. nil keeps all. keep must not hold on to the line.
func ReadSystemRows(path string, keep func(line []byte) bool) ([]byte, error) {
	absolute, err := absolutePath(path)
	if err != nil {
		return nil, err
	}
	data, err := readOwnedRows(absolute, nil, keep)
	return data, notEvenALink(absolute, err)
}

// absolutePath is [filepath.Abs]. Without a current folder nobody knows what is there, which is not to pass for a file that is missing.
func absolutePath(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s: there is no current folder: %v", path, err) //nolint:errorlint // not fs.ErrNotExist
	}
	return absolute, nil
}

// ResolveSystem follows the symbolic links of a path, which is to be made by root alone: as [ReadSystem] does, but whose the file itself is
// and what it is stays open.
func ResolveSystem(path string) (resolved string, err error) {
	absolute, err := absolutePath(path)
	if err != nil {
		return "", err
	}
	return resolveOwned(absolute, nil)
}

// notEvenALink lets a missing file be missing only where nothing has its name. Whoever made a link meant what is behind it to count,
// a deny list perhaps: that the place behind it is not mounted must not pass for a host without one.
func notEvenALink(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Lstat(path); statErr == nil {
			return &Fault{Path: path, Detail: "kind of file", Expected: "a file or folder", Got: "a symbolic link to a missing one"}
		}
	}
	return accessFault(err)
}

// accessFault says what to do about a file or folder that we may not read: the commonest mistake on a new host.
func accessFault(err error) error {
	var denied *fs.PathError
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &denied) {
		return err
	}
	// The name that could not be looked up stands in a folder that may not be entered.
	path, mode := denied.Path, "g+r"
	if denied.Op != "open" || !exists(path) {
		path, mode = filepath.Dir(path), "g+rx"
	}
	group := strconv.Itoa(os.Getegid())
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return &Fault{
		Path: path, Detail: "access", Expected: "that the group " + group + " may read it", Got: "permission denied",
		Hint: fmt.Sprintf("chgrp %s %s && chmod %s %s", group, shellQuote(path), mode, shellQuote(path)),
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// shellQuote writes a path so that a hint can be pasted.
func shellQuote(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// ReadSystemFolder reads the files in a folder whose names end in suffix, in the order of their names: those of [ListSystemFolder]. Files
// that cannot be read or trusted are left out, and their errors returned beside the others: one bad file harms only itself.
func ReadSystemFolder(folder, suffix string) (files []File, faults []error) {
	paths, err := ListSystemFolder(folder, suffix)
	if err != nil {
		return nil, []error{err}
	}
	for _, path := range paths {
		data, err := readOwnedRows(path, nil, nil)
		if err != nil {
			faults = append(faults, accessFault(err))
			continue
		}
		files = append(files, File{Path: path, Data: data})
	}
	return files, faults
}

// ListSystemFolder gives the absolute paths of what is in a folder under names that end in suffix and do not begin with a dot, in the order of
// the names. What they stand for is not looked at. A missing folder has none, but a symbolic link to a missing one is a fault.
func ListSystemFolder(folder, suffix string) (paths []string, err error) {
	absolute, err := absolutePath(folder)
	if err != nil {
		return nil, err
	}
	names, err := listOwned(absolute, nil)
	err = notEvenALink(absolute, err)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".") {
			paths = append(paths, filepath.Join(absolute, name))
		}
	}
	return paths, err
}
