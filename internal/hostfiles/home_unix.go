//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadHome reads the user's own rules, ~/.opk/auth_id. The home folder, .opk and the file must belong to the user or to root and be
// writable by nobody else, and so must every folder above. Symbolic links are followed on the way to the home folder alone. The
// file must be a regular one of at most [MaxHomeSize] bytes.
//
// Where there is no such home, folder or file the error wraps [fs.ErrNotExist], where this process may not see it
// [fs.ErrPermission], and where it is not to be trusted it is a [*Fault].
func ReadHome(account *Account) (*File, error) {
	if account.Home == "" {
		return nil, &fs.PathError{Op: "open", Path: homeFolder, Err: unix.ENOENT}
	}
	resolved, err := resolveOwned(account.Home, owners{account.UID})
	if err != nil {
		return nil, err
	}
	root, err := unix.Open("/", folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	// What resolveOwned found may have changed: from here on it is descriptors that are checked.
	home, err := account.openFolder(root, strings.TrimPrefix(resolved, "/"), resolved)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(home) }()
	folder, err := account.openFolder(home, homeFolder, resolved+"/"+homeFolder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(folder) }()
	data, err := account.readFile(folder, homeFile, resolved+"/"+homeFolder+"/"+homeFile)
	if err != nil {
		return nil, err
	}
	return &File{Path: account.HomeFile(), Data: data}, nil
}

// openFolder opens a folder below dir. path is for messages.
func (a *Account) openFolder(dir int, name, path string) (int, error) {
	if name == "" {
		name = "."
	}
	if err := checkKind(dir, name, path, unix.S_IFDIR); err != nil {
		return -1, err
	}
	fd, err := openNoLinks(dir, name, folderOnly)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	if err := a.checkOwner(path, &st); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (a *Account) readFile(dir int, name, path string) ([]byte, error) {
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
	if err := a.checkOwner(path, &st); err != nil {
		return nil, err
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

// checkOwner is that of system files, with a hint for this account.
func (a *Account) checkOwner(path string, st *unix.Stat_t) error {
	err := checkOwner(path, st, owners{a.UID})
	var fault *Fault
	if errors.As(err, &fault) && fault.Detail == "owner" {
		fault.Expected = "root or " + a.Name
		fault.Hint = "chown " + shellQuote(a.Name) + " " + shellQuote(path)
	}
	return err
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
