package plugin

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// runGroup runs a program in a process group of its own and waits for its end. The group is killed when ctx is done, and what is
// left of it when the program ends. The program dies with us.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	group := cmd.Process.Pid
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			_ = unix.Kill(-group, unix.SIGKILL)
		case <-ended:
		}
	})
	// WNOWAIT leaves the ended program's number to it until the group is killed: no other group can get it meanwhile.
	for errors.Is(unix.Waitid(unix.P_PID, group, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	close(ended)
	watch.Wait()
	_ = unix.Kill(-group, unix.SIGKILL)
	return cmd.Wait()
}
