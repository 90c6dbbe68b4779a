package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"opkssh/integration/endtoend"
)

// processes are those of a host, which has a PID namespace of its own: sshd is its first.
type processes struct {
	namespace string
}

func newProcesses(t *testing.T, h *endtoend.Host) *processes {
	t.Helper()
	r := h.Exec(t, "root", "readlink", "/proc/self/ns/pid")
	if r.ExitCode != 0 {
		t.Fatalf("%+v", r)
	}
	return &processes{strings.TrimSpace(r.Stdout)}
}

// usage is what processes have together.
type usage struct {
	count, zombies, threads, descriptors float64
	resident                             float64 // in KiB
}

// look leaves out what ends meanwhile.
func (p *processes) look(t *testing.T) (u usage) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		namespace, err := os.Readlink(process + "/ns/pid")
		if err == nil && namespace == p.namespace {
			u.add(process)
		}
	}
	return u
}

func (u *usage) add(process string) {
	status, err := os.ReadFile(process + "/status")
	if err != nil {
		return
	}
	u.count++
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch name {
		case "State":
			if fields[0] == "Z" {
				u.zombies++
			}
		case "VmRSS", "Threads":
			n, err := strconv.ParseFloat(fields[0], 64)
			if err != nil {
				continue
			}
			if name == "Threads" {
				u.threads += n
			} else {
				u.resident += n
			}
		}
	}
	if descriptors, err := os.ReadDir(process + "/fd"); err == nil {
		u.descriptors += float64(len(descriptors))
	}
}

// rest waits until sshd is alone, and has waited for its children.
func (p *processes) rest(t *testing.T) (u usage) {
	t.Helper()
	endtoend.Eventually(t, fmt.Sprintf("sshd alone in %s", p.namespace), func() bool {
		u = p.look(t)
		return u.count == 1
	})
	return u
}

func ownerOf(info os.FileInfo) int {
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
