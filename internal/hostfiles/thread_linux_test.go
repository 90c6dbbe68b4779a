package hostfiles

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onOneThread runs what where change has changed the thread, which ends with it. what must not end the test.
func onOneThread(t *testing.T, change func() error, what func()) {
	t.Helper()
	changed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := change()
		if err == nil {
			what()
		}
		changed <- err
	}()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
}

// withCapabilities runs what with these capabilities(7) of root's and no others, so that root fails as others do.
func withCapabilities(t *testing.T, what func(), keep ...uint) {
	t.Helper()
	var all [2]unix.CapUserData
	for _, c := range keep {
		all[c/32].Effective |= 1 << (c % 32)
		all[c/32].Permitted |= 1 << (c % 32)
	}
	onOneThread(t, func() error {
		return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &all[0])
	}, what)
}

// withFailing runs what where a system call fails with errno.
func withFailing(t *testing.T, call uint32, errno unix.Errno, what func()) {
	t.Helper()
	const number = 0 // of the call, in what a filter looks at
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	onOneThread(t, func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	}, what)
}
