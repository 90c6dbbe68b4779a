//go:build amd64 || arm64

package sandbox

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilter asks the filter itself about what this machine may not be able to do.
func TestFilter(t *testing.T) {
	const (
		allow  = unix.SECCOMP_RET_ALLOW
		refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	raw, err := filter(auditArch)
	if err != nil {
		t.Fatal(err)
	}
	program := make([]bpf.Instruction, len(raw))
	for i, r := range raw {
		program[i] = r.Disassemble()
	}
	machine, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(arch, number uint32, arguments ...uint32) uint32 {
		// The machine of this package reads big-endian numbers, the kernel its own.
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data[callNumber:], number)
		binary.BigEndian.PutUint32(data[callArch:], arch)
		for i, a := range arguments {
			binary.BigEndian.PutUint32(data[firstArgument+argumentSize*i:], a)
		}
		got, err := machine.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(got)
	}
	byArguments := func(number uint32) bool {
		return slices.ContainsFunc(argumentRules, func(r argumentRule) bool { return r.call == number })
	}
	const x32 = 0x40000000 // where amd64's second set of system calls begins
	for number := range uint32(600) {
		want := uint32(refuse)
		if slices.Contains(allowedCalls, number) {
			want = allow
		}
		if got := ask(auditArch, number); got != want && !byArguments(number) {
			t.Errorf("call %d: expected %#x, got %#x", number, want, got)
		}
		if got := ask(auditArch, x32|number); got != refuse {
			t.Errorf("call %d of x32: got %#x", number, got)
		}
		if got := ask(unix.AUDIT_ARCH_I386, number); got != refuse {
			t.Errorf("call %d of another machine: got %#x", number, got)
		}
	}
	thread := uint32(unix.CLONE_VM | unix.CLONE_THREAD)
	for name, test := range map[string]struct {
		number    uint32
		arguments []uint32
		want      uint32
	}{
		"a thread":              {unix.SYS_CLONE, []uint32{thread}, allow},
		"a process":             {unix.SYS_CLONE, []uint32{uint32(unix.SIGCHLD)}, refuse},
		"clone3":                {unix.SYS_CLONE3, nil, refuse},
		"a UDP socket":          {unix.SYS_SOCKET, []uint32{unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, allow},
		"interfaces":            {unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, 0}, allow},
		"a Unix socket":         {unix.SYS_SOCKET, []uint32{unix.AF_UNIX, unix.SOCK_STREAM, 0}, refuse},
		"a family beside them":  {unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, refuse},
		"Multipath TCP":         {unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, refuse},
		"shared memory":         {unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM, 256}, refuse}, // IPPROTO_SMC
		"send":                  {unix.SYS_SENDTO, []uint32{3, 0, 0, unix.MSG_NOSIGNAL}, allow},
		"send before connect":   {unix.SYS_SENDTO, []uint32{3, 0, 0, unix.MSG_NOSIGNAL | unix.MSG_FASTOPEN}, refuse},
		"several, before":       {unix.SYS_SENDMMSG, []uint32{3, 0, 1, unix.MSG_FASTOPEN}, refuse},
		"make a file":           {unix.SYS_OPENAT, []uint32{3, 0, unix.O_CREAT, 0o600}, allow},
		"a set-user-ID file":    {unix.SYS_OPENAT, []uint32{3, 0, unix.O_CREAT, 0o4755}, refuse},
		"a set-group-ID file":   {unix.SYS_OPENAT, []uint32{3, 0, unix.O_CREAT, 0o2755}, refuse},
		"limits of a neighbour": {unix.SYS_PRLIMIT64, []uint32{1}, refuse},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(auditArch, test.number, test.arguments...); got != test.want {
				t.Errorf("expected %#x, got %#x", test.want, got)
			}
		})
	}
}
