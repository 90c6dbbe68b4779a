//go:build linux

package installer

import (
	"context"
	"os"
	"strings"
	"time"

	"opkssh/internal/hostprogram"
)

// runTimeout is the most that a program of the system may take: building and loading an SELinux module is slow.
const runTimeout = 5 * time.Minute

// runProgram runs a program of the running system. What it wrote is part of the error.
func runProgram(path string, args ...string) (output string, err error) {
	stdout, _, err := hostprogram.Run(context.Background(), runTimeout, path, args...)
	return strings.TrimSpace(stdout), err
}

// program finds a program of the running system by name, where root's programs are, or gives "".
func program(name string) string {
	for _, folder := range []string{"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"} {
		if info, err := os.Stat(folder + name); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return folder + name
		}
	}
	return ""
}
