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
	found, st, err := lookOwned("", path, allowed)
	if err == nil {
		err = found.checkFile(&st, allowed)
	}
	// Only now opened: who owns a file can make that fail, by a lease (fcntl(2)), as if the machine had failed.
	if err != nil {
		return nil, err
	}
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	file, err := os.OpenFile(found.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	// The open descriptor is what counts, whatever the name stands for by now.
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "fstat", Path: found.path, Err: err}
	}
	if err := found.checkFile(&st, allowed); err != nil {
		return nil, err
	}
	return readRows(file, st.Size, keep)
}

// checkFile is whether it is a file to be read.
func (p place) checkFile(st *unix.Stat_t, allowed owners) error {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return &Fault{Path: p.path, Detail: "kind of file", Expected: "a regular file", Got: fileKind(uint32(st.Mode))}
	}
	if err := p.checkOwner(st, allowed); err != nil {
		return err
	}
	if st.Size > MaxSize {
		return &Fault{Path: p.path, Detail: "size", Expected: "at most 64 MiB", Got: fmt.Sprintf("%d bytes", st.Size)}
	}
	return nil
}

func listOwned(folder string, allowed owners) ([]string, error) {
	found, st, err := lookOwned("", folder, allowed)
	if err != nil {
		return nil, err
	}
	if err := found.checkOwner(&st, allowed); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(found.path)
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

// place is where a path leads.
type place struct {
	path string // without symbolic links
	// roots: nobody but root can make the name stand for something else. Only then may a hint give root a command that names it.
	roots bool
}

// resolveOwned is [findOwned] on the running system, where only the path matters.
func resolveOwned(path string, allowed owners) (string, error) {
	found, err := findOwned("", path, allowed)
	return found.path, err
}

// lookOwned is [findOwned], with what is there.
func lookOwned(root, path string, allowed owners) (found place, st unix.Stat_t, err error) {
	if found, err = findOwned(root, path, allowed); err != nil {
		return place{}, st, err
	}
	if err := unix.Lstat(root+found.path, &st); err != nil {
		return place{}, st, &fs.PathError{Op: "lstat", Path: root + found.path, Err: err}
	}
	return found, st, nil
}

// findOwned follows path from the root folder down, which is that of the system in the folder root, or "" for the running one. Links
// lead where they would lead in that system. Each folder on the way must be its owners' alone to write, so that what is checked
// cannot change before it is used. A sticky folder such as /tmp may stand above one that passes: what an owner has there, others cannot
// replace.
func findOwned(root, path string, allowed owners) (place, error) {
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	at := place{"/", true}
	links := 0
	for len(rest) > 0 {
		var st unix.Stat_t
		if err := unix.Lstat(root+at.path, &st); err != nil {
			return place{}, &fs.PathError{Op: "lstat", Path: root + at.path, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return place{}, &fs.PathError{Op: "open", Path: root + at.path, Err: unix.ENOTDIR}
		}
		sticky := st.Mode&unix.S_ISVTX != 0 && len(rest) > 1
		if err := at.checkOwner(&st, allowed); err != nil && (!sticky || !allowed.has(st.Uid)) {
			return place{}, err
		}
		name := rest[0]
		rest = rest[1:]
		if name == "" { // of the root folder itself
			continue
		}
		if name == ".." {
			at.path = filepath.Dir(at.path)
			continue
		}
		roots := at.roots && st.Uid == 0
		writable := st.Mode&0o022 != 0
		next := place{path: filepath.Join(at.path, name)}
		if err := unix.Lstat(root+next.path, &st); err != nil {
			return place{}, &fs.PathError{Op: "open", Path: root + next.path, Err: err}
		}
		next.roots = roots && (!writable || st.Uid == 0)
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			if sticky && !allowed.has(st.Uid) {
				return place{}, next.ownerFault(&st)
			}
			at = next
			continue
		}
		if !allowed.has(st.Uid) {
			return place{}, next.ownerFault(&st)
		}
		if links++; links > maxLinks {
			return place{}, &fs.PathError{Op: "open", Path: root + path, Err: unix.ELOOP}
		}
		target, err := os.Readlink(root + next.path)
		if err != nil {
			return place{}, err
		}
		if filepath.IsAbs(target) {
			at = place{"/", true}
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

// checkOwner says by a [*Fault] whether others than its owners can write what is there.
func (p place) checkOwner(st *unix.Stat_t, allowed owners) error {
	if !allowed.has(st.Uid) {
		return p.ownerFault(st)
	}
	mode := uint32(st.Mode) & 0o7777
	if mode&0o022 == 0 {
		return nil
	}
	fault := &Fault{Path: p.path, Detail: "mode", Expected: "not writable by group or others", Got: fmt.Sprintf("%04o", mode)}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		fault.Hint = anewHint
	case mode&unix.S_ISVTX != 0:
		fault.Hint = "use a folder that others cannot write: this one, such as /tmp, is meant for everybody"
	case !p.roots:
		fault.Hint = othersHint
	default:
		fault.Hint = "chmod go-w " + shellQuote(p.path)
	}
	return fault
}

func (p place) ownerFault(st *unix.Stat_t) error {
	fault := &Fault{Path: p.path, Detail: "owner", Expected: "root", Got: fmt.Sprintf("uid %d", st.Uid)}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		fault.Hint = anewHint
	case !p.roots:
		fault.Hint = othersHint
	default:
		fault.Hint = "chown -h root " + shellQuote(p.path)
	}
	return fault
}

const (
	// anewHint: a change of owner or mode leaves a file to whoever has opened it before.
	anewHint = "verifier permissions fix, or put a copy in its place, as root: whoever could write it may still have it open"
	// copyHint is that for what is no file of ours.
	copyHint = "put a copy in its place, as root: whoever could write it may still have it open"
	// othersHint stands where root must not run a command: it would follow what others have put there until then.
	othersHint = "it is its owner's to mend, not root's: others than root can change what this name stands for"
)

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
