//go:build unix

package hostfiles

import (
	"io/fs"
	"os"
	"path/filepath"
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
	if example, ok := n.example(folder); ok {
		return example, nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(folder, &st); err != nil {
		return access{}, &fs.PathError{Op: "lstat", Path: folder, Err: err}
	}
	a := access{uid: effectiveUID(), gid: st.Gid, mode: groupMode}
	const listed = 0o005
	switch {
	case n.Reader != nil:
		a.gid = n.Reader.GID
	case st.Mode&listed == listed:
		a.mode = everyoneMode
	}
	return a, nil
}

// example is the access of a neighbour that the reader, if known, may read.
func (n NewFile) example(folder string) (access, bool) {
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
			if n.Reader == nil || n.Reader.MayOpen(path) == nil {
				return access{effectiveUID(), st.Gid, fs.FileMode(st.Mode) & everyoneMode, path}, true
			}
		}
	}
	return access{}, false
}
