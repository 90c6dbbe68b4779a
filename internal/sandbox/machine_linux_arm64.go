package sandbox

import "golang.org/x/sys/unix"

// auditArch is how the kernel calls the machine that a call's number belongs to.
const auditArch = unix.AUDIT_ARCH_AARCH64

var machineCalls = []uint32{unix.SYS_FSTATAT, unix.SYS_RENAMEAT}
