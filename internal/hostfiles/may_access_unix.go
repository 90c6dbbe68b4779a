//go:build unix

package hostfiles

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// MayRun says by a [*Fault] whether the mode of a program, or of a folder above it, keeps the account from running it. path has no
// symbolic links: see [SystemProgram]. Access control lists are not looked at.
func (a *Account) MayRun(path string) error {
	return a.may(path, 0o1, "executable", "chmod a+rx ", nil)
}

// MayOpen is [Account.MayRun] for a file that is to be read, or a folder to be listed. Where there is an access control list, it may.
func (a *Account) MayOpen(path string) error {
	return a.may(path, 0o4, "readable", "chmod a+r ", hasAccessListAt)
}

// may wants a bit of the permissions of what path names, and of each folder above that it may be entered. unknown, which may be nil, is where
// more than the mode counts.
func (a *Account) may(path string, bit uint32, what, command string, unknown func(path string) bool) error {
	groups := a.Groups()
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: at, Err: err}
		}
		mode := uint32(st.Mode) & 0o7777
		has := mode >> a.class(st.Uid, st.Gid, groups)
		if a.UID == 0 {
			has = 0o6 | mode>>6 | mode>>3 | mode // root reads all, and runs what somebody may run
		}
		if has&bit == 0 && (unknown == nil || !unknown(at)) {
			return &Fault{
				Path: at, Detail: "mode", Expected: what + " for the user " + a.Name, Got: fmt.Sprintf("%04o", mode), Hint: command + shellQuote(at),
			}
		}
		if at == "/" || at == "." {
			return nil
		}
		bit, what, command = 0o1, "executable", "chmod a+rx "
	}
}

// MayRead is whether the mode lets the account read a file, or list and enter a folder. Of a link nothing is known. Access
// control lists are not looked at.
func (a *Account) MayRead(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || a.UID == 0 || info.Mode()&fs.ModeSymlink != 0 {
		return true
	}
	need := fs.FileMode(0o4)
	if info.IsDir() {
		need = 0o5
	}
	need <<= a.class(st.Uid, st.Gid, a.Groups())
	return info.Mode().Perm()&need == need
}

// class is how far left in a mode the account's permissions stand: as the owner, in the group, or as others.
func (a *Account) class(uid, gid uint32, groups []uint32) int {
	switch {
	case uid == a.UID:
		return 6
	case slices.Contains(groups, gid):
		return 3
	}
	return 0
}
