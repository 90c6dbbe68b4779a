//go:build unix

package hostfiles

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// effectiveUID is who we are, as the kernel's file status has it.
func effectiveUID() uint32 { return uint32(os.Geteuid()) } //nolint:gosec // 32 bits in the kernel

// owners are the users, beside root, who may own a file and the folders above it.
type owners []uint32

func (o owners) has(uid uint32) bool { return uid == 0 || slices.Contains(o, uid) }

// readOwned reads an absolute path that its owners alone could have written.
func readOwned(path string, allowed owners) ([]byte, error) { return readOwnedRows(path, allowed, nil) }

func readOwnedRows(path string, allowed owners, keep func(line []byte) bool) ([]byte, error) {
	resolved, err := resolveOwned(path, allowed)
	if err != nil {
		return nil, err
	}
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	file, err := os.OpenFile(resolved, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	// The open descriptor is what gets checked, whatever the name stands for by now.
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "fstat", Path: resolved, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &Fault{Path: resolved, Detail: "kind of file", Expected: "a regular file", Got: fileKind(uint32(st.Mode))}
	}
	if err := checkOwner(resolved, &st, allowed); err != nil {
		return nil, err
	}
	if st.Size > MaxSize {
		return nil, &Fault{Path: resolved, Detail: "size", Expected: "at most 64 MiB", Got: fmt.Sprintf("%d bytes", st.Size)}
	}
	return readRows(file, st.Size, keep)
}

func listOwned(folder string, allowed owners) ([]string, error) {
	resolved, err := resolveOwned(folder, allowed)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(resolved, &st); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: resolved, Err: err}
	}
	if err := checkOwner(resolved, &st, allowed); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(resolved)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// maxLinks is how many symbolic links a path may hold, as in Linux.
const maxLinks = 40

// resolveOwned follows path from the root folder down, and gives it without symbolic links. Each folder on the way must be
// its owners' alone to write, so that what is checked cannot change before it is used. A sticky folder such as /tmp may stand
// above one that passes: what an owner has there, others cannot replace.
func resolveOwned(path string, allowed owners) (string, error) {
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	at := "/"
	links := 0
	for len(rest) > 0 {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return "", &fs.PathError{Op: "lstat", Path: at, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return "", &fs.PathError{Op: "open", Path: at, Err: unix.ENOTDIR}
		}
		sticky := st.Mode&unix.S_ISVTX != 0 && len(rest) > 1
		if err := checkOwner(at, &st, allowed); err != nil && (!sticky || !allowed.has(st.Uid)) {
			return "", err
		}
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		if err := unix.Lstat(next, &st); err != nil {
			return "", &fs.PathError{Op: "open", Path: next, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			if sticky && !allowed.has(st.Uid) {
				return "", ownerFault(next, &st)
			}
			at = next
			continue
		}
		if !allowed.has(st.Uid) {
			return "", ownerFault(next, &st)
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		// Not cleaned: a `..` behind a link is meant from where the link leads.
		var parts []string
		for _, part := range strings.Split(target, "/") {
			if part != "" && part != "." {
				parts = append(parts, part)
			}
		}
		rest = append(parts, rest...)
	}
	return at, nil
}

func checkOwner(path string, st *unix.Stat_t, allowed owners) error {
	if !allowed.has(st.Uid) {
		return ownerFault(path, st)
	}
	if mode := uint32(st.Mode) & 0o7777; mode&0o022 != 0 {
		return &Fault{
			Path: path, Detail: "mode", Expected: "not writable by group or others", Got: fmt.Sprintf("%04o", mode),
			Hint: "chmod go-w " + shellQuote(path),
		}
	}
	return nil
}

func ownerFault(path string, st *unix.Stat_t) error {
	return &Fault{Path: path, Detail: "owner", Expected: "root", Got: fmt.Sprintf("uid %d", st.Uid), Hint: "chown root " + shellQuote(path)}
}

func fileKind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "another kind"
}
