//go:build unix && !linux

package hostfiles

import "golang.org/x/sys/unix"

const folderOnly = unix.O_RDONLY | unix.O_DIRECTORY

func openNoLinks(dir int, path string, flags int) (int, error) {
	return openEachNoLinks(dir, path, flags)
}
