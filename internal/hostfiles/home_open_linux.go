package hostfiles

import (
	"errors"

	"golang.org/x/sys/unix"
)

// folderOnly opens a folder for what is below it. O_PATH needs no permission to list it: a home folder may be 0711.
const folderOnly = unix.O_PATH | unix.O_DIRECTORY

// openNoLinks opens a path below dir, and refuses symbolic links and whatever else leads out of it.
func openNoLinks(dir int, path string, flags int) (int, error) {
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC), //nolint:gosec // constants of open(2)
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	})
	// Linux before 5.6 does not have the call, and what confines a process may not let it through.
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return openEachNoLinks(dir, path, flags)
	}
	return fd, err
}
