//go:build linux

package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/internal/hostfiles"
)

// Between a plan and its steps others go on: verifier lock writes config.yml, an administrator edits sshd_config. What is not as the plan has
// seen it is theirs: no step writes over it or removes it, and none is taken back so.

// lockPatience is far longer than an edit by another command of the verifier takes.
const lockPatience = 10 * time.Second

// locked does something while no other command of the verifier edits a file. Nobody else edits an image.
func (h *host) locked(name string, do func() error) error {
	if h.image() {
		return do()
	}
	path, err := h.path(name)
	if err != nil {
		return err
	}
	unlock, err := hostfiles.Lock(path, lockPatience)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return do() // what makes room must not fail for want of it
	}
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

// isStill is whether a file has the content of this fingerprint, or is not there, for "".
func (h *host) isStill(name, was string) (bool, error) {
	data, err := h.readRegular(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return was == "" && !h.exists(name), nil
	case err != nil:
		return false, err
	}
	return fingerprint(data) == was, nil
}

func (h *host) checkStill(name, was string) error {
	still, err := h.isStill(name, was)
	if err == nil && !still {
		return changedMeanwhile(name)
	}
	return err
}

func changedMeanwhile(name string) error {
	return &Refusal{Path: name, Detail: "it was made or changed since this looked at it, and stays as it is", Hint: "run this again"}
}

// takeBack is the undo of a step that has left a file with the content of this fingerprint, or none, for "".
func (h *host) takeBack(name, left string, undo func() error) func() error {
	return func() error {
		return h.locked(name, func() error {
			still, err := h.isStill(name, left)
			if err == nil && !still {
				err = staysChanged(name)
			}
			if err != nil {
				return err
			}
			return undo()
		})
	}
}

func staysChanged(name string) error {
	return fmt.Errorf("%s: it was made or changed meanwhile, and stays as it is", name)
}

// write is a step that writes a file in the place of one with the content of this fingerprint, or where none is, for "".
func (h *host) write(name string, data []byte, o owner, was string) func() (func() error, error) {
	return func() (undo func() error, err error) {
		err = h.locked(name, func() error {
			if was == "" {
				undo = h.takeBack(name, fingerprint(data), func() error { return h.remove(name) })
				err := h.createFile(name, data, o)
				if errors.Is(err, fs.ErrExist) {
					return changedMeanwhile(name)
				}
				return err
			}
			if err := h.checkStill(name, was); err != nil {
				return err
			}
			old, err := h.save(name)
			if err != nil {
				return err
			}
			undo = h.takeBack(name, fingerprint(data), old.putBack)
			return h.writeFile(name, data, o)
		})
		return undo, err
	}
}

// removal is a step that removes a file with the content of this fingerprint.
func (h *host) removal(name, was string) func() (func() error, error) {
	return func() (undo func() error, err error) {
		err = h.locked(name, func() error {
			if err := h.checkStill(name, was); err != nil {
				return err
			}
			old, err := h.save(name)
			if err != nil {
				return err
			}
			undo = h.takeBack(name, "", old.makeAgain)
			return h.remove(name)
		})
		return undo, err
	}
}

// saved is a file or link as it was.
type saved struct {
	path   string
	target string // where a link leads, or ""
	data   []byte
	owner  owner
}

func (h *host) save(name string) (s saved, err error) {
	if s.path, err = h.path(name); err != nil {
		return s, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(s.path, &st); err != nil {
		return s, &fs.PathError{Op: "lstat", Path: s.path, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		s.target, err = os.Readlink(s.path)
		return s, err
	}
	s.owner = owner{uid: int(st.Uid), gid: int(st.Gid), mode: fs.FileMode(st.Mode) & fs.ModePerm}
	s.data, err = os.ReadFile(s.path)
	return s, err
}

// putBack puts it in the place of the file that is there now.
func (s saved) putBack() error {
	if s.target == "" {
		return replace(s.path, s.data, s.owner, "")
	}
	if err := os.Remove(s.path); err != nil {
		return err
	}
	return os.Symlink(s.target, s.path)
}

// makeAgain makes it where nothing is.
func (s saved) makeAgain() error {
	if s.target == "" {
		return create(s.path, s.data, s.owner)
	}
	return os.Symlink(s.target, s.path)
}
