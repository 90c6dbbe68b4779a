//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// allowedCalls are what Go, with or without a C library, needs to read files, to write those that Landlock allows, to ask a
// provider, and to end. machineCalls are those of one machine.
var allowedCalls = append([]uint32{
	// Files. None that changes owner, mode, times or extended attributes: Landlock does not know these.
	unix.SYS_CLOSE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_FCNTL, unix.SYS_FDATASYNC, unix.SYS_FLOCK,
	unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_FSYNC, unix.SYS_GETCWD, unix.SYS_GETDENTS64, unix.SYS_LSEEK, unix.SYS_MKDIRAT, unix.SYS_PREAD64,
	unix.SYS_PWRITE64, unix.SYS_READ, unix.SYS_READLINKAT, unix.SYS_READV, unix.SYS_RENAMEAT2, unix.SYS_STATFS, unix.SYS_STATX,
	unix.SYS_UNLINKAT, unix.SYS_WRITE, unix.SYS_WRITEV,
	// The network.
	unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_RECVFROM, unix.SYS_RECVMMSG,
	unix.SYS_RECVMSG, unix.SYS_SETSOCKOPT, unix.SYS_SHUTDOWN,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL,
	unix.SYS_PSELECT6,
	// Memory, threads, signals and time.
	unix.SYS_BRK, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MUNMAP,
	unix.SYS_FUTEX, unix.SYS_GETTID, unix.SYS_MEMBARRIER, unix.SYS_RSEQ, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_RESTART_SYSCALL, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_NANOSLEEP,
	// Who we are, and the end.
	unix.SYS_GETEGID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_GETUID,
	unix.SYS_SYSINFO, unix.SYS_UNAME,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}, machineCalls...)

// argumentRules are about calls that are allowed with some arguments alone.
var argumentRules = []argumentRule{
	// Threads, and no processes. Whoever calls clone3, whose arguments cannot be looked at, takes this where that is missing.
	{unix.SYS_CLONE, 0, unix.CLONE_THREAD, []uint32{unix.CLONE_THREAD}},
	// A file that is made is not set-user-ID.
	{unix.SYS_OPENAT, 3, unix.S_ISUID | unix.S_ISGID, []uint32{0}},
	// Data with the first packet goes to ports that Landlock is not asked about.
	{unix.SYS_SENDTO, 3, unix.MSG_FASTOPEN, []uint32{0}},
	{unix.SYS_SENDMSG, 2, unix.MSG_FASTOPEN, []uint32{0}},
	{unix.SYS_SENDMMSG, 3, unix.MSG_FASTOPEN, []uint32{0}},
	// Kinds of sockets, netlink's for the names of interfaces; then protocols, for Landlock knows the ports of TCP alone.
	{unix.SYS_SOCKET, 0, ^uint32(0), []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}},
	{unix.SYS_SOCKET, 2, ^uint32(0), []uint32{0, unix.IPPROTO_TCP, unix.IPPROTO_UDP}},
	// Of ourselves.
	{unix.SYS_PRLIMIT64, 0, ^uint32(0), []uint32{0}},
	{unix.SYS_TGKILL, 0, ^uint32(0), []uint32{uint32(os.Getpid())}},
}

// argumentRule allows a call where an argument, masked, is one of values. All rules of a call must.
type argumentRule struct {
	call     uint32
	argument uint32 // from 0; its lower half is looked at
	mask     uint32
	values   []uint32
}

// Offsets in struct seccomp_data: seccomp(2).
const (
	callNumber    = 0
	callArch      = 4
	firstArgument = 16
	argumentSize  = 8
)

// filter lets the allowed calls of one machine through. All others are to this process as on a kernel that does not have them, which is
// what libraries are prepared for.
func filter(arch uint32) ([]bpf.RawInstruction, error) {
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	number := bpf.LoadAbsolute{Off: callNumber, Size: 4}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: callArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		refuse,
		number,
	}
	for _, call := range allowedCalls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, allow)
	}
	for i, rule := range argumentRules {
		var check []bpf.Instruction
		check = append(check, bpf.LoadAbsolute{Off: firstArgument + argumentSize*rule.argument, Size: 4}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: rule.mask})
		for j := range rule.values {
			check = append(check, bpf.JumpIf{Cond: bpf.JumpEqual, Val: rule.values[j], SkipTrue: uint8(len(rule.values) - j)}) //nolint:gosec // a few
		}
		check = append(check, refuse)
		if i+1 < len(argumentRules) && argumentRules[i+1].call == rule.call {
			check = append(check, number)
		} else {
			check = append(check, allow)
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: rule.call, SkipTrue: uint8(len(check))}) //nolint:gosec // a few
		program = append(program, check...)
	}
	return bpf.Assemble(append(program, refuse))
}

// enterSeccomp sets no_new_privs, too, for all threads.
func enterSeccomp() error {
	if err := checkSeccomp(); err != nil {
		return setNoNewPrivileges() // Missing tells the rest
	}
	raw, err := filter(auditArch)
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
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", err)
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

// checkSeccomp says why there can be no filter.
func checkSeccomp() error {
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))) //nolint:gosec // as seccomp(2) wants it
	if slices.Contains([]unix.Errno{unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP}, errno) {
		return errors.New("this kernel has no filters for system calls (Linux 4.14)")
	}
	return nil
}
