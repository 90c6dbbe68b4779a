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
		allow   = unix.SECCOMP_RET_ALLOW
		refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		ours    = unix.AUDIT_ARCH_X86_64
	)
	raw, err := filter(ours)
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
	// The machine of this package reads big-endian numbers, the kernel its own.
	ask := func(arch, number, first, third uint32) uint32 {
		data := make([]byte, 64)
		for offset, value := range map[int]uint32{callNumber: number, callArch: arch, firstArgument: first, thirdArgument: third} {
			binary.BigEndian.PutUint32(data[offset:], value)
		}
		got, err := machine.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(got)
	}
	special := []uint32{unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_SOCKET}
	for number := range uint32(600) {
		want := uint32(allow)
		if slices.Contains(deniedCalls, number) {
			want = refuse
		}
		if got := ask(ours, number, 0, 0); got != want && !slices.Contains(special, number) {
			t.Errorf("call %d: expected %#x, got %#x", number, want, got)
		}
	}
	for name, test := range map[string]struct {
		arch, number, first, third uint32
		want                       uint32
	}{
		"read":                     {arch: ours, number: unix.SYS_READ, want: allow},
		"another machine's number": {arch: unix.AUDIT_ARCH_I386, number: unix.SYS_READ, want: refuse},
		"x32's number":             {arch: ours, number: x32Calls | unix.SYS_READ, want: refuse},
		"a thread":                 {arch: ours, number: unix.SYS_CLONE, first: unix.CLONE_VM | unix.CLONE_THREAD, want: allow},
		"a process":                {arch: ours, number: unix.SYS_CLONE, first: uint32(unix.SIGCHLD), want: refuse},
		"clone3":                   {arch: ours, number: unix.SYS_CLONE3, want: unknown},
		"a UDP socket":             {arch: ours, number: unix.SYS_SOCKET, first: unix.AF_INET6, want: allow},
		"the first family":         {arch: ours, number: unix.SYS_SOCKET, first: allowedFamilies[0], want: allow},
		"a family beside them":     {arch: ours, number: unix.SYS_SOCKET, first: unix.AF_VSOCK, want: refuse},
		"Multipath TCP":            {arch: ours, number: unix.SYS_SOCKET, first: unix.AF_INET, third: unix.IPPROTO_MPTCP, want: refuse},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(test.arch, test.number, test.first, test.third); got != test.want {
				t.Errorf("expected %#x, got %#x", test.want, got)
			}
		})
	}
}
