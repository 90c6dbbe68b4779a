package hostcli

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// startBeside starts this very program once more, and gives the connection to it. It ends when the connection does. sshd waits for the
// end of standard output, so it has none.
//
// [os/exec] would start a second process, to find out what the kernel can do.
func startBeside() (*os.File, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), monitorName), os.NewFile(uintptr(pair[1]), monitorName)
	defer func() { _ = theirs.Close() }()
	// It waits most of the time, and should not take processors from us.
	environment := append(os.Environ(), "GOMAXPROCS=1")
	attributes := &syscall.ProcAttr{Dir: "/", Env: environment, Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), theirs.Fd()}}
	program := thisProgram()
	if _, err := syscall.ForkExec(program, []string{os.Args[0], monitorName}, attributes); err != nil { //nolint:gosec // this program
		_ = ours.Close()
		return nil, &os.PathError{Op: "exec", Path: program, Err: err}
	}
	return ours, nil
}

// thisProgram is this one even if its file has been replaced. Where there is no /proc, it is what sshd was told to run.
func thisProgram() string {
	const link = "/proc/self/exe"
	if _, err := os.Readlink(link); err != nil && filepath.IsAbs(os.Args[0]) {
		return os.Args[0]
	}
	return link
}
