package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// deniedCalls start programs, look into processes, or reach parts of the kernel that nothing here uses.
var deniedCalls = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_LISTEN,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_IO_URING_SETUP, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_PERSONALITY, unix.SYS_SYSLOG, unix.SYS_REBOOT,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
}

// allowedFamilies are the kinds of socket that finding and asking a provider, and logging, need.
var allowedFamilies = [...]uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// auditArch is how the kernel calls the machine that a system call's number belongs to.
var auditArch = map[string]uint32{
	"386": unix.AUDIT_ARCH_I386, "amd64": unix.AUDIT_ARCH_X86_64, "arm": unix.AUDIT_ARCH_ARM, "arm64": unix.AUDIT_ARCH_AARCH64,
	"ppc64le": unix.AUDIT_ARCH_PPC64LE, "riscv64": unix.AUDIT_ARCH_RISCV64, "s390x": unix.AUDIT_ARCH_S390X,
}

// Offsets in struct seccomp_data: seccomp(2).
const (
	callNumber    = 0
	callArch      = 4
	firstArgument = 16 // of 8 bytes each
	thirdArgument = 32
)

// x32Calls is where amd64's second set of system calls begins.
const x32Calls = 0x40000000

// filter lets every system call through but those of deniedCalls, those of other machines, new processes (threads are none), and
// sockets of unusual families or of Multipath TCP, for which Landlock has no ports.
func filter(arch uint32) ([]bpf.RawInstruction, error) {
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	number := bpf.LoadAbsolute{Off: callNumber, Size: 4}
	argument := func(offset uint32) bpf.Instruction {
		if arch == unix.AUDIT_ARCH_S390X {
			offset += 4 // the low half of a big-endian number
		}
		return bpf.LoadAbsolute{Off: offset, Size: 4}
	}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: callArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		refuse,
		number,
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Calls, SkipTrue: 1},
		refuse,
	}
	for _, call := range deniedCalls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, refuse)
	}
	program = append(program,
		// Its arguments cannot be looked at. C libraries take clone then.
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 4},
		argument(firstArgument),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1},
		refuse,
		number,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SOCKET, SkipTrue: uint8(len(allowedFamilies)) + 5},
		argument(thirdArgument),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_MPTCP, SkipTrue: 1},
		refuse,
		argument(firstArgument),
	)
	for i := range uint8(len(allowedFamilies)) {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: allowedFamilies[i], SkipTrue: uint8(len(allowedFamilies)) - i})
	}
	return bpf.Assemble(append(program, refuse, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
}

var errNoMachine = fmt.Errorf("no filter for %s", runtime.GOARCH)

// enterSeccomp sets no_new_privs, too, for all threads.
func enterSeccomp() error {
	if err := checkSeccomp(); err != nil {
		return setNoNewPrivileges() // Missing tells the rest
	}
	raw, err := filter(auditArch[runtime.GOARCH])
	if err != nil {
		return err
	}
	instructions := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		instructions[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]} //nolint:gosec // some hundred
	defer runtime.KeepAlive(instructions)
	for attempt := 0; ; attempt++ {
		if err := setNoNewPrivileges(); err != nil {
			return err
		}
		// TSYNC gives every thread the filter, and no_new_privs with it.
		thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
			uintptr(unsafe.Pointer(&program))) //nolint:gosec // as seccomp(2) wants it
		switch {
		case errno == unix.EACCES && attempt < 100:
			// Go has moved us to another thread meanwhile, which has no_new_privs not yet.
		case errno != 0:
			return os.NewSyscallError("seccomp", errno)
		case thread != 0:
			return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
		default:
			return nil
		}
	}
}

// setNoNewPrivileges is for the calling thread.
func setNoNewPrivileges() error {
	return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// checkSeccomp says why there can be no filter.
func checkSeccomp() error {
	if auditArch[runtime.GOARCH] == 0 {
		return errNoMachine
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))) //nolint:gosec // as seccomp(2) wants it
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL) || errors.Is(errno, unix.EOPNOTSUPP) {
		return errors.New("this kernel has no filters for system calls (Linux 4.14)")
	}
	return nil
}
