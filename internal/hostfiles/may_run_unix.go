//go:build unix

package hostfiles

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// MayRun says by a [*Fault] whether the mode of a program, or of a folder above it, keeps the account from running it. path has no
// symbolic links: see [SystemProgram]. Access control lists are not looked at.
func (a *Account) MayRun(path string) error {
	groups := a.Groups()
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: at, Err: err}
		}
		bit := uint32(0o001)
		switch {
		case a.UID == 0:
			bit = 0o111
		case st.Uid == a.UID:
			bit = 0o100
		case slices.Contains(groups, st.Gid):
			bit = 0o010
		}
		if mode := uint32(st.Mode) & 0o7777; mode&bit == 0 {
			return &Fault{
				Path: at, Detail: "mode", Expected: "executable for the user " + a.Name, Got: fmt.Sprintf("%04o", mode), Hint: "chmod a+rx " + shellQuote(at),
			}
		}
		if at == "/" || at == "." {
			return nil
		}
	}
}
