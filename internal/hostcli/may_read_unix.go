//go:build unix

package hostcli

import (
	"io/fs"
	"slices"
	"syscall"

	"opkssh/internal/hostfiles"
)

// mayRead is whether the mode lets the account read a file, or list and enter a folder. Access control lists are not looked at.
func mayRead(account *hostfiles.Account, info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || account.UID == 0 || info.Mode()&fs.ModeSymlink != 0 {
		return true
	}
	need := fs.FileMode(0o4)
	if info.IsDir() {
		need = 0o5
	}
	switch {
	case stat.Uid == account.UID:
		need <<= 6
	case slices.Contains(account.Groups(), stat.Gid):
		need <<= 3
	}
	return info.Mode().Perm()&need == need
}
