// Resident runs the command that its arguments are, and prints the most memory that it had resident, in KiB. Linux counts for a process what
// the one that started it had, too: the benchmarks have more than what they measure, and this has next to nothing.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("resident", cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
