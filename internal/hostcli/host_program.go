package hostcli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"time"
)

const (
	hostProgramTimeout = 20 * time.Second
	maxProgramAnswer   = 8 << 20
)

// runHostProgram runs a program of the system and gives what it prints, on standard output and error. Its environment is its own.
func runHostProgram(ctx context.Context, path string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, hostProgramTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	out, complaint := &boundedBuffer{most: maxProgramAnswer}, &boundedBuffer{most: 64 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// boundedBuffer keeps the beginning of what is written to it.
type boundedBuffer struct {
	bytes.Buffer
	most int
}

func (b *boundedBuffer) Write(data []byte) (int, error) {
	if room := b.most - b.Len(); room < len(data) {
		_, err := b.Buffer.Write(data[:max(room, 0)])
		return len(data), err
	}
	return b.Buffer.Write(data)
}

// firstFile gives the first of paths that is there, or "".
func firstFile(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
