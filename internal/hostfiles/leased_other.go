//go:build unix && !linux

package hostfiles

import "golang.org/x/sys/unix"

// openLeased: leases are Linux's.
func openLeased(int, string, bool) (int, error) { return -1, unix.EAGAIN }
