// Package tracer stops a program at each of its system calls (ptrace(2)), so that a test can do something at that very moment: what a
// race would hit once in a while, it hits each time. And it moves the host's clock for one program alone. It needs root.
package tracer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a thread is about to make.
type Call struct {
	Thread int
	Number uint64
	Args   [6]uint64
}

// Files lets cmd write to files, as [Run] wants it, and gives what is in them afterwards.
func Files(t testing.TB, cmd *exec.Cmd) (read func() (stdout, stderr string)) {
	t.Helper()
	open := func(name string) *os.File {
		file, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		return file
	}
	stdout, stderr := open("stdout"), open("stderr")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	text := func(file *os.File) string {
		data, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return func() (string, string) { return text(stdout), text(stderr) }
}

// Run runs cmd to its end, in a process group of its own, and calls before ahead of each system call of program, of all its threads and of
// what it forks, unless that leaves the group. cmd may be another command that becomes program. Where before says so, all of them are
// killed instead. cmd's output must be files, or none. status is how the first process ended.
func Run(t testing.TB, cmd *exec.Cmd, program string, before func(*Call) (kill bool)) (status unix.WaitStatus) {
	t.Helper()
	return run(t, cmd, program, before, nil)
}

// RunAt is [Run] with a clock of the host's (CLOCK_REALTIME) of its own: ahead is asked each time that program looks at it.
func RunAt(t testing.TB, cmd *exec.Cmd, program string, ahead func() time.Duration) (status unix.WaitStatus) {
	t.Helper()
	return run(t, cmd, program, nil, ahead)
}

func run(t testing.TB, cmd *exec.Cmd, program string, before func(*Call) (kill bool), ahead func() time.Duration) (status unix.WaitStatus) {
	t.Helper()
	runtime.LockOSThread() // ptrace knows threads, not processes
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()
	over := false
	defer func() {
		if !over { // the test has failed
			_ = unix.Kill(-pid, unix.SIGKILL)
		}
	}()
	wait := func() (thread int, status unix.WaitStatus, ended bool) {
		for {
			// The group alone: this thread may have other children, of other tests.
			thread, err := unix.Wait4(-pid, &status, unix.WALL|unix.WNOTHREAD, nil)
			switch {
			case err == nil:
				return thread, status, false
			case errors.Is(err, unix.ECHILD):
				return 0, 0, true
			case !errors.Is(err, unix.EINTR):
				t.Fatal(err)
			}
		}
	}
	started, killed := false, false
	executed := func(process int) {
		if file, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", process)); err == nil && file == program {
			started = true
			if ahead != nil {
				hideVDSO(t, process)
			}
		}
	}
	wait() // it stops at its exec
	executed(pid)
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := errors.Join(unix.PtraceSetOptions(pid, options), unix.PtraceSyscall(pid, 0)); err != nil {
		t.Fatal(err)
	}
	entries := map[int]*Call{} // by thread
	for {
		thread, stop, ended := wait()
		switch {
		case ended:
			over = true
			return status
		case stop.Exited() || stop.Signaled():
			if thread == pid {
				status = stop
			}
			continue
		}
		signal := 0
		switch {
		case stop.StopSignal() == syscall.SIGTRAP|0x80:
			call := entry(t, thread)
			if call == nil {
				if ahead != nil {
					entries[thread].moveClock(t, ahead)
				}
				break
			}
			entries[thread] = call
			if started && !killed && before != nil && before(call) {
				killed = true
				if err := unix.Kill(-pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if call.Number == unix.SYS_SETPGID || call.Number == unix.SYS_SETSID {
				// It leaves the group: nobody would wait for it.
				if err := unix.PtraceDetach(thread); err != nil && !errors.Is(err, unix.ESRCH) {
					t.Fatal(err)
				}
				continue
			}
		case stop.StopSignal() == syscall.SIGTRAP:
			if stop.TrapCause() == unix.PTRACE_EVENT_EXEC {
				executed(thread)
			}
		case stop.StopSignal() == syscall.SIGSTOP: // a thread that is new
		default:
			signal = int(stop.StopSignal())
		}
		// A thread may be gone in the meantime.
		if err := unix.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
}

// entry is nil for a thread that comes out of a call.
func entry(t testing.TB, thread int) *Call {
	t.Helper()
	// struct ptrace_syscall_info of ptrace(2), as it is on entry.
	var info struct {
		op    uint8
		_     [3]byte
		_     uint32
		_     [2]uint64
		nr    uint64
		args  [6]uint64
		space [4]uint64
	}
	const entry = 1 // PTRACE_SYSCALL_INFO_ENTRY
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	switch {
	case errno == unix.ESRCH:
		return nil
	case errno != 0:
		t.Fatal(errno)
	case info.op != entry:
		return nil
	}
	return &Call{Thread: thread, Number: info.nr, Args: info.args}
}

// hideVDSO makes a program that has just been executed ask the kernel for the time: else it reads the clock by itself (vdso(7)).
func hideVDSO(t testing.TB, pid int) {
	t.Helper()
	// Where the stack begins, there is argc, argv, envp and the auxiliary vector.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	const startStack = 28 - 3 // of proc_pid_stat(5), behind the name
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	at, err := strconv.ParseUint(fields[startStack], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	program := &Call{Thread: pid}
	word := func() uint64 {
		data := program.memory(at, 8)
		if len(data) < 8 {
			t.Fatalf("expected a stack, got none at %#x", at)
		}
		at += 8
		return binary.NativeEndian.Uint64(data)
	}
	for range 2 { // argc and argv; envp
		for word() != 0 {
		}
	}
	const (
		atNull, atIgnore = 0, 1
		atSysinfoEHDR    = 33
	)
	for {
		switch kind := word(); kind {
		case atNull:
			t.Fatal("expected AT_SYSINFO_EHDR, got none")
		case atSysinfoEHDR:
			program.setMemory(t, at-8, binary.NativeEndian.AppendUint64(nil, atIgnore))
			return
		}
		word()
	}
}

// moveClock changes the answer to a call, which may be nil, if that was about the host's clock.
func (c *Call) moveClock(t testing.TB, ahead func() time.Duration) {
	t.Helper()
	if c == nil || c.Number != unix.SYS_CLOCK_GETTIME || c.Args[0] != unix.CLOCK_REALTIME {
		return
	}
	data := c.memory(c.Args[1], 16) // struct timespec
	if len(data) < 16 {
		return
	}
	seconds, nanoseconds := binary.NativeEndian.Uint64(data), binary.NativeEndian.Uint64(data[8:])
	moved := time.Unix(int64(seconds), int64(nanoseconds)).Add(ahead())
	data = binary.NativeEndian.AppendUint64(nil, uint64(moved.Unix()))
	c.setMemory(t, c.Args[1], binary.NativeEndian.AppendUint64(data, uint64(moved.Nanosecond())))
}

// fstatat has another name on each machine.
var fstatat = map[string]uint64{"amd64": 262, "arm64": 79}[runtime.GOARCH]

// File is the absolute path of the file that a call opens, looks at or executes by its name, "" for another call. Links in it are not
// resolved.
func (c *Call) File() string {
	here := unix.AT_FDCWD
	var folder, path uint64
	switch c.Number {
	case unix.SYS_OPENAT, unix.SYS_OPENAT2, fstatat, unix.SYS_STATX, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_EXECVEAT:
		folder, path = c.Args[0], c.Args[1]
	case unix.SYS_EXECVE:
		folder, path = uint64(here), c.Args[0]
	default:
		return ""
	}
	name := c.text(path)
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	from := fmt.Sprintf("/proc/%d/fd/%d", c.Thread, int32(folder))
	if int32(folder) == unix.AT_FDCWD {
		from = fmt.Sprintf("/proc/%d/cwd", c.Thread)
	}
	dir, err := os.Readlink(from)
	if err != nil {
		return ""
	}
	return filepath.Join(dir, name)
}

// Target is [Call.File] with links resolved as far as the call follows them, in the file system as it is now.
func (c *Call) Target() string {
	file := c.File()
	if file == "" {
		return ""
	}
	follows := true
	switch c.Number {
	case unix.SYS_READLINKAT:
		follows = false
	case unix.SYS_OPENAT:
		follows = c.Args[2]&unix.O_NOFOLLOW == 0
	case unix.SYS_OPENAT2: // struct open_how begins with the flags
		flags := c.memory(c.Args[2], 8)
		follows = len(flags) < 8 || binary.NativeEndian.Uint64(flags)&unix.O_NOFOLLOW == 0
	case unix.SYS_STATX:
		follows = c.Args[2]&unix.AT_SYMLINK_NOFOLLOW == 0
	case fstatat, unix.SYS_FACCESSAT2:
		follows = c.Args[3]&unix.AT_SYMLINK_NOFOLLOW == 0
	}
	if target, err := filepath.EvalSymlinks(file); err == nil && follows {
		return target
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return file
	}
	return filepath.Join(folder, filepath.Base(file))
}

// text is the string at an address of the program.
func (c *Call) text(at uint64) string {
	const part = 256
	var text []byte
	for len(text) < unix.PathMax {
		read := c.memory(at+uint64(len(text)), part)
		if before, _, found := bytes.Cut(read, []byte{0}); found {
			return string(append(text, before...))
		}
		if len(read) < part {
			return ""
		}
		text = append(text, read...)
	}
	return ""
}

// memory is what is at an address of the program, or the beginning of it, where no more is there.
func (c *Call) memory(at uint64, size int) []byte {
	// Not by PTRACE_PEEKDATA, which does not look into a program that has closed its memory to users like its own.
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.Thread))
	if err != nil {
		return nil
	}
	defer func() { _ = memory.Close() }()
	data := make([]byte, size)
	n, _ := memory.ReadAt(data, int64(at))
	return data[:n]
}

func (c *Call) setMemory(t testing.TB, at uint64, data []byte) {
	t.Helper()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.Thread), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	if _, err := memory.WriteAt(data, int64(at)); err != nil {
		t.Fatal(err)
	}
}
