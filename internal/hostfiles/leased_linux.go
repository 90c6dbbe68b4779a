package hostfiles

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// openLeased opens a file that somebody has a lease on, for no more than its status (O_PATH), or to be read: then it waits until the lease is
// given back or taken away (fcntl(2), "Leases").
func openLeased(parent int, name string, toRead bool) (int, error) {
	at, err := unix.Openat(parent, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if !toRead {
		return at, nil
	}
	defer func() { _ = unix.Close(at) }()
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, unix.EAGAIN // not what it was a moment ago: a FIFO would be waited for
	}
	return unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}
