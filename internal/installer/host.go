//go:build linux

package installer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the running system, or an image of one in a folder.
type host struct {
	root string // / for the running system
}

func (h *host) image() bool { return h.root != "/" }

// owner is what a file gets. Root's, where the IDs are zero.
type owner struct {
	uid, gid int
	mode     fs.FileMode
}

const maxLinks = 40

// path finds a file of the host. Links on the way, not one at its end, are followed as the host would: an absolute link in an image
// stays in the image.
func (h *host) path(name string) (string, error) { return h.resolve(name, false) }

// follow is path with a link at the end followed as well.
func (h *host) follow(name string) (string, error) { return h.resolve(name, true) }

func (h *host) resolve(name string, last bool) (string, error) {
	at := "/"
	rest := strings.Split(strings.Trim(filepath.Clean(name), "/"), "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(filepath.Join(h.root, next))
		if err != nil || len(rest) == 0 && !last {
			// Not a link, or not there: what comes of it is for those who open it.
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		rest = append(strings.Split(strings.Trim(filepath.Clean(target), "/"), "/"), rest...)
		at = "/"
	}
	return filepath.Join(h.root, at), nil
}

func (h *host) readFile(name string) ([]byte, error) {
	path, err := h.follow(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// readRegular is readFile, for a file that others than root may have put there: it does not wait for a FIFO's writer.
func (h *host) readRegular(name string) (data []byte, err error) {
	path, err := h.follow(name)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Refusal{Path: name, Detail: fmt.Sprintf("expected a program, got %v", info.Mode()), Hint: "look at it, and move it away"}
	}
	return io.ReadAll(file)
}

func (h *host) lstat(name string) (fs.FileInfo, error) {
	path, err := h.path(name)
	if err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// exists is whether there is anything by that name, if only a link that leads nowhere.
func (h *host) exists(name string) bool {
	_, err := h.lstat(name)
	return err == nil
}

// firstOf gives the first of names that leads to something, or "".
func (h *host) firstOf(names ...string) string {
	for _, name := range names {
		if path, err := h.follow(name); err == nil {
			if _, err := os.Stat(path); err == nil {
				return name
			}
		}
	}
	return ""
}

// makeFolder makes one folder, whatever the umask. Its parent has to be there. It gets its name last, so that a crash leaves none that is
// not as it should be.
func (h *host) makeFolder(name string, o owner) (undo func() error, err error) {
	path, err := h.path(name)
	if err != nil {
		return nil, err
	}
	made, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	err = os.Lchown(made, o.uid, o.gid)
	if err == nil {
		err = os.Chmod(made, o.mode)
	}
	if err == nil {
		err = os.Rename(made, path) // not over a folder that is there
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(made))
	}
	return func() error { return removeFolder(path) }, nil
}

// removeFolder removes a folder with nothing in it, and nothing else that is there by now.
func removeFolder(path string) error {
	if err := unix.Rmdir(path); err != nil {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

// removeEmptyFolder says whether a folder is gone: one with something in it stays.
func (h *host) removeEmptyFolder(name string) (gone bool, err error) {
	path, err := h.path(name)
	if err != nil {
		return false, err
	}
	switch err := removeFolder(path); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return true, nil
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return false, nil
	default:
		return false, err
	}
}

// writeFile puts a file in its place as a whole, durably.
func (h *host) writeFile(name string, data []byte, o owner) error {
	path, err := h.path(name)
	if err != nil {
		return err
	}
	return replace(path, data, o, "")
}

// createFile is writeFile where nothing is by that name.
func (h *host) createFile(name string, data []byte, o owner) error {
	path, err := h.path(name)
	if err != nil {
		return err
	}
	return create(path, data, o)
}

type edit func(old []byte) ([]byte, error)

// editFile replaces the content of a file that is there. Its owner, mode, access control list and SELinux label stay. Where it was changed
// since, back takes the edit out of what is there then.
func (h *host) editFile(name string, there, back edit) (undo func() error, err error) {
	path, err := h.follow(name)
	if err != nil {
		return nil, err
	}
	old, edited, err := rewrite(path, there)
	if err != nil {
		return nil, err
	}
	return func() error {
		_, _, err := rewrite(path, func(now []byte) ([]byte, error) {
			if bytes.Equal(now, edited) {
				return old, nil
			}
			return back(now)
		})
		return err
	}, nil
}

func rewrite(path string, edit edit) (old, edited []byte, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if old, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	if edited, err = edit(old); err != nil {
		return nil, nil, err
	}
	o := owner{uid: int(st.Uid), gid: int(st.Gid), mode: fs.FileMode(st.Mode) & fs.ModePerm}
	return old, edited, replace(path, edited, o, path)
}

// replace writes beside path and renames. The file gets the extended attributes of like, if one is named.
func replace(path string, data []byte, o owner, like string) error {
	beside, err := writeBeside(path, data, o, like)
	if err != nil {
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		return errors.Join(err, os.Remove(beside))
	}
	return syncFolder(filepath.Dir(path))
}

// create is replace where nothing is: not even what comes there meanwhile is lost. The error wraps [fs.ErrExist].
func create(path string, data []byte, o owner) error {
	beside, err := writeBeside(path, data, o, "")
	if err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, beside, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot
		if err = os.Link(beside, path); err == nil {
			err = os.Remove(beside)
		}
	}
	if err != nil {
		return errors.Join(&fs.PathError{Op: "create", Path: path, Err: err}, os.Remove(beside))
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func writeBeside(path string, data []byte, o owner, like string) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	// The owner first: a change of owner takes bits from the mode.
	if err == nil {
		err = file.Chown(o.uid, o.gid)
	}
	if err == nil && like != "" {
		err = copyAttributes(like, file)
	}
	if err == nil {
		err = file.Chmod(o.mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// attributes are an SELinux label and an access control list: without the first, /etc/shadow would become an ordinary file of /etc.
var attributes = []string{"security.selinux", "system.posix_acl_access"}

func copyAttributes(from string, to *os.File) error {
	for _, name := range attributes {
		value := make([]byte, 64<<10) // the most that Linux has
		n, err := unix.Getxattr(from, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("copy %s of %s: %w", name, from, err)
		}
	}
	return nil
}

// remove removes a file or link.
func (h *host) remove(name string) error {
	path, err := h.path(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}
