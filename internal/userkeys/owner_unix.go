//go:build unix

package userkeys

import (
	"os"
	"syscall"
)

// keepOwner gives a file that is to replace another one the owner of that. Root alone may, who works in somebody's home folder as with sudo:
// they could not read a ~/.ssh/config of root's. Where root may not either, as on a network disk, the file is as good as a new one.
func keepOwner(file *os.File, replaced string) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Lstat(replaced)
	if err != nil {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}
