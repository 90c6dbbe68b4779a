//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SystemProgram checks a program of the host by its absolute path: an executable regular file which, with every folder on the
// way to it, belongs to root and is writable by nobody else. It gives the path without symbolic links: run that one, right
// away. A missing program gives an error that wraps [fs.ErrNotExist], one that is not to be trusted a [*Fault].
func SystemProgram(path string) (resolved string, err error) { return ownedProgram("", path, nil) }

// SystemProgramIn is [SystemProgram] of a system whose image is in the folder root, an absolute path. Paths are as that system sees
// them: hints are for the running one alone.
func SystemProgramIn(root, path string) (resolved string, err error) {
	return ownedProgram(imageFolder(root), path, nil)
}

// CheckSystemIn checks a file or folder of the system in the folder root, or "/": like every folder on the way to it, it belongs to root and
// is writable by nobody else. Errors are as for [SystemProgramIn].
func CheckSystemIn(root, path string) error {
	root = imageFolder(root)
	found, st, err := lookOwned(root, path, nil)
	if err != nil {
		return err
	}
	return found.checkOwner(&st, nil)
}

// imageFolder is what stands before the paths of a system.
func imageFolder(root string) string {
	if root = filepath.Clean(root); root == "/" {
		return ""
	}
	return root
}

func ownedProgram(root, path string, allowed owners) (string, error) {
	if !filepath.IsAbs(path) {
		return "", &Fault{Path: path, Detail: "path", Expected: "an absolute path", Got: "a relative one"}
	}
	// By its name, not by a descriptor: a program may be executable and not readable, and its folders cannot change.
	found, st, err := lookOwned(root, path, allowed)
	if err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", &Fault{Path: found.path, Detail: "kind of file", Expected: "a regular file", Got: fileKind(uint32(st.Mode))}
	}
	if err := found.checkOwner(&st, allowed); err != nil {
		var fault *Fault
		if errors.As(err, &fault) {
			fault.Hint = copyHint
		}
		return "", err
	}
	if mode := uint32(st.Mode) & 0o7777; mode&0o111 == 0 {
		return "", &Fault{
			Path: found.path, Detail: "mode", Expected: "an executable file", Got: fmt.Sprintf("%04o", mode), Hint: "chmod +x " + shellQuote(found.path),
		}
	}
	return found.path, nil
}
