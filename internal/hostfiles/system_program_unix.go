//go:build unix

package hostfiles

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SystemProgram checks a program of the host by its absolute path: an executable regular file which, with every folder on the
// way to it, belongs to root and is writable by nobody else. It gives the path without symbolic links: run that one, right
// away. A missing program gives an error that wraps [fs.ErrNotExist], one that is not to be trusted a [*Fault].
func SystemProgram(path string) (resolved string, err error) { return ownedProgram(path, nil) }

func ownedProgram(path string, allowed owners) (string, error) {
	if !filepath.IsAbs(path) {
		return "", &Fault{Path: path, Detail: "path", Expected: "an absolute path", Got: "a relative one"}
	}
	resolved, err := resolveOwned(path, allowed)
	if err != nil {
		return "", err
	}
	// By its name, not by a descriptor: a program may be executable and not readable, and its folders cannot change.
	var st unix.Stat_t
	if err := unix.Lstat(resolved, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: resolved, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", &Fault{Path: resolved, Detail: "kind of file", Expected: "a regular file", Got: fileKind(uint32(st.Mode))}
	}
	if err := checkOwner(resolved, &st, allowed); err != nil {
		return "", err
	}
	if mode := uint32(st.Mode) & 0o7777; mode&0o111 == 0 {
		return "", &Fault{
			Path: resolved, Detail: "mode", Expected: "an executable file", Got: fmt.Sprintf("%04o", mode), Hint: "chmod +x " + shellQuote(resolved),
		}
	}
	return resolved, nil
}
