package sandbox

import "golang.org/x/sys/unix"

// auditArch is how the kernel calls the machine that a call's number belongs to.
const auditArch = unix.AUDIT_ARCH_X86_64

// What newer machines have no numbers for, C libraries still call here.
var machineCalls = []uint32{
	unix.SYS_ACCESS, unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_POLL, unix.SYS_READLINK, unix.SYS_RENAMEAT,
	unix.SYS_SELECT, unix.SYS_STAT, unix.SYS_TIME,
}
