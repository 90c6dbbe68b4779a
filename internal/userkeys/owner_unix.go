//go:build unix

package userkeys

import (
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives a file that is to replace another one the owner of that, and is for files without secrets. Root alone may, who works in
// somebody's home folder as with sudo: they could not read a ~/.ssh/config of root's. Where root may not either, as on a network disk, the
// file is as good as a new one.
func keepOwner(file *os.File, replaced string) {
	if owner, found := ownerOf(os.Lstat(replaced)); found {
		give(file, owner)
	}
}

// keepOwnerOfFolder is keepOwner for keys and their certificates, where the folder is that owner's too, as somebody's ~/.ssh is. In other
// folders, such as /tmp, anybody may have left a file to be given root's key.
func keepOwnerOfFolder(file *os.File, replaced string) {
	folder, found := ownerOf(os.Stat(filepath.Dir(replaced)))
	owner, replaces := ownerOf(os.Lstat(replaced))
	if found && replaces && folder.Uid == owner.Uid {
		give(file, owner)
	}
}

func give(file *os.File, owner *syscall.Stat_t) {
	if os.Geteuid() == 0 {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}

func ownerOf(info os.FileInfo, err error) (*syscall.Stat_t, bool) {
	if err != nil {
		return nil, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return owner, ok
}
