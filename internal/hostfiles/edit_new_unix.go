//go:build unix

package hostfiles

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Modes of a new file without an example.
const (
	groupMode    fs.FileMode = 0o640
	everyoneMode fs.FileMode = 0o644
)

// access is that of a new file in folder.
func (n NewFile) access(folder string) (access, error) {
	var reader *Account
	if n.Reader != nil {
		reader = n.Reader()
	}
	if example, ok := n.example(folder, reader); ok {
		return example, nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(folder, &st); err != nil {
		return access{}, &fs.PathError{Op: "lstat", Path: folder, Err: err}
	}
	a := access{uid: effectiveUID(), gid: st.Gid, mode: groupMode}
	const listed = 0o005
	switch {
	case reader != nil:
		a.gid = reader.GID
	case st.Mode&listed == listed:
		a.mode = everyoneMode
	}
	return a, nil
}

// example is the access of a neighbour that the reader, if known, may read.
func (n NewFile) example(folder string, reader *Account) (access, bool) {
	for _, pattern := range n.Like {
		names, _ := fs.Glob(os.DirFS(folder), pattern) // errors are about patterns alone, which are constants
		for _, name := range names {
			if strings.HasPrefix(filepath.Base(name), ".") {
				continue
			}
			path, err := filepath.EvalSymlinks(filepath.Join(folder, name))
			if err != nil {
				continue
			}
			var st unix.Stat_t
			if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			if reader == nil || reader.MayOpen(path) == nil {
				a := access{effectiveUID(), st.Gid, fs.FileMode(st.Mode) & everyoneMode, path}
				if n.Secret && reader != nil {
					a.closeToOthers(reader)
				}
				return a, true
			}
		}
	}
	return access{}, false
}

// closeToOthers leaves the file to its group, which is made the reader's. With an access control list more than group and mode count,
// and the access stays as it is.
func (a *access) closeToOthers(reader *Account) {
	if a.mode&0o004 == 0 || hasAccessListAt(a.example) {
		return
	}
	if !slices.Contains(reader.Groups(), a.gid) {
		a.gid = reader.GID
	}
	a.mode = groupMode
}
