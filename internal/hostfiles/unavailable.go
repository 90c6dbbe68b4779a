package hostfiles

import (
	"errors"
	"slices"
	"syscall"
)

// Unavailable says that an error is about the machine and not about the file: no descriptors or memory are left, or the disk or the
// network behind it fails. What such a file says is not known, and is not to be taken for nothing: it may have limits that stand before
// the rule that would be next.
func Unavailable(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EINTR, syscall.EAGAIN,
	}, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}
