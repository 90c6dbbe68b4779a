//go:build unix

package hostcli

import "golang.org/x/sys/unix"

// openNoFollow: a log file is not reached through somebody's symbolic link, and a FIFO does not stop us.
const openNoFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK
