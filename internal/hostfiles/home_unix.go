//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadHome reads the user's own rules, ~/.opk/auth_id. The home folder, .opk and the file must belong to the user or to root and be
// writable by nobody else, and so must every folder above. Symbolic links are followed on the way to the home folder alone. The
// file must be a regular one of at most [MaxHomeSize] bytes. One of root's that the user could have put there has no other name (hard
// link): it was perhaps written for another place, and the user may not be allowed to read it.
//
// Where there is no such home, folder or file the error wraps [fs.ErrNotExist], where this process may not see it
// [fs.ErrPermission], and where it is not to be trusted it is a [*Fault].
func ReadHome(account *Account) (*File, error) {
	if account.Home == "" {
		return nil, &fs.PathError{Op: "open", Path: homeFolder, Err: unix.ENOENT}
	}
	at, err := findOwned("", account.Home, owners{account.UID})
	if err != nil {
		return nil, err
	}
	root, err := unix.Open("/", folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	// What resolveOwned found may have changed: from here on it is descriptors that are checked.
	home, inHome, err := account.openFolder(root, strings.TrimPrefix(at.path, "/"), at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(home) }()
	folder, inFolder, err := account.openFolder(home, homeFolder, place{at.path + "/" + homeFolder, inHome})
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(folder) }()
	data, err := account.readFile(folder, homeFile, place{at.path + "/" + homeFolder + "/" + homeFile, inFolder})
	if err != nil {
		return nil, err
	}
	return &File{Path: account.HomeFile(), Data: data}, nil
}

// openFolder opens a folder below dir, and says whether root alone can change names in it. at is for messages.
func (a *Account) openFolder(dir int, name string, at place) (fd int, roots bool, err error) {
	if name == "" {
		name = "."
	}
	if err := checkKind(dir, name, at.path, unix.S_IFDIR); err != nil {
		return -1, false, err
	}
	fd, err = openNoLinks(dir, name, folderOnly)
	if err != nil {
		return -1, false, &fs.PathError{Op: "open", Path: at.path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, false, &fs.PathError{Op: "fstat", Path: at.path, Err: err}
	}
	if err := a.checkOwner(at, &st); err != nil {
		_ = unix.Close(fd)
		return -1, false, err
	}
	return fd, at.roots && st.Uid == 0, nil
}

func (a *Account) readFile(dir int, name string, at place) ([]byte, error) {
	path := at.path
	// Looked at before it is opened, since opening a device can do something, and after, since it can have changed.
	if err := checkKind(dir, name, path, unix.S_IFREG); err != nil {
		return nil, err
	}
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	fd, err := openNoLinks(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	defer func() { _ = file.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, kindFault(path, unix.S_IFREG, uint32(st.Mode))
	}
	if err := a.checkOwner(at, &st); err != nil {
		return nil, err
	}
	if st.Uid != a.UID && !at.roots {
		if err := a.checkNames(dir, name, path, &st); err != nil {
			return nil, err
		}
	}
	if st.Size > MaxHomeSize {
		return nil, &Fault{Path: path, Detail: "size", Expected: "at most 1 MiB", Got: fmt.Sprintf("%d bytes", st.Size)}
	}
	// One read of the size that was seen: what is appended meanwhile counts for the next login.
	data := make([]byte, st.Size)
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// checkNames is about an open file of root's, to which the user could have made the name. By the name, since one that the user takes
// away after the opening would not be counted.
func (a *Account) checkNames(dir int, name, path string, open *unix.Stat_t) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	fault := &Fault{Path: path, Detail: "hard links", Expected: "a file of root's with one name", Hint: a.anewHint(path)}
	switch {
	case st.Dev != open.Dev || st.Ino != open.Ino:
		fault.Got = "a name that stands for another file by now"
	case st.Nlink > 1:
		fault.Got = fmt.Sprintf("one with %d", st.Nlink)
	default:
		return nil
	}
	return fault
}

// checkOwner is that of system files, with a hint for this account. Where names are the user's to change, what is to be done is for the
// user to do: root would follow what is put there until then.
func (a *Account) checkOwner(at place, st *unix.Stat_t) error {
	err := at.checkOwner(st, owners{a.UID})
	var fault *Fault
	if !errors.As(err, &fault) {
		return err
	}
	file := st.Mode&unix.S_IFMT == unix.S_IFREG
	if fault.Detail == "owner" {
		fault.Expected = "root or " + a.Name
	}
	switch {
	case file && at.roots:
		fault.Hint = copyHint
	case file:
		fault.Hint = a.anewHint(at.path)
	case at.roots && fault.Detail == "owner":
		fault.Hint = "chown -h " + shellQuote(a.Name) + " " + shellQuote(at.path)
	case at.roots: // the hint of a system folder
	case st.Uid == a.UID:
		fault.Hint = a.as("chmod go-w " + shellQuote(at.path))
	default:
		fault.Hint = a.as("mv " + shellQuote(at.path) + " " + shellQuote(at.path+".old") + " && mkdir -m 700 " + shellQuote(at.path))
	}
	return err
}

// as is a hint for the user and not for root: pasted as it is, it is no command.
func (a *Account) as(command string) string { return "as " + a.Name + ": " + command }

// anewHint is how the user puts a new file in the place of one: whoever could write the old one may still have it open.
func (a *Account) anewHint(path string) string {
	folder, name := filepath.Split(path)
	return a.as("cd " + shellQuote(filepath.Clean(folder)) + " && cp " + name + " new && chmod go-w new && mv -f new " + name)
}

func checkKind(dir int, name, path string, want uint32) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if uint32(st.Mode)&unix.S_IFMT != want {
		return kindFault(path, want, uint32(st.Mode))
	}
	return nil
}

func kindFault(path string, want, mode uint32) *Fault {
	return &Fault{Path: path, Detail: "kind of file", Expected: fileKind(want), Got: fileKind(mode)}
}

// openEachNoLinks opens a path below dir, one name after the other, and refuses symbolic links.
func openEachNoLinks(dir int, path string, flags int) (int, error) {
	at := dir
	names := strings.Split(path, "/")
	for i, name := range names {
		next := folderOnly
		if i == len(names)-1 {
			next = flags
		}
		fd, err := unix.Openat(at, name, next|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if at != dir {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at = fd
	}
	return at, nil
}
