package hostcli

import (
	"bytes"
	"context"
	"os"

	"opkssh/internal/hostfiles"
	"opkssh/internal/hostprogram"
	"opkssh/internal/installer"
)

// otherProgram is a program that sshd asks, and that is not this one.
type otherProgram struct {
	path    string
	version installer.ProgramVersion
}

func (o *otherProgram) String() string {
	return "sshd asks " + o.path + ", which is " + o.version.Other()
}

// findOtherProgram looks at the program of AuthorizedKeysCommand. It gives nil where that is this very program, or the other one of its
// release, and where sshd does not run it: that is another fault. It is asked for its version, which root may do since nobody else
// could have written it.
func findOtherProgram(ctx context.Context, path string) *otherProgram {
	resolved, err := hostfiles.SystemProgram(path)
	if err != nil || isThisProgram(resolved) {
		return nil
	}
	stdout, _, _ := hostprogram.Run(ctx, hostProgramTimeout, resolved, "--version")
	other := &otherProgram{path: path, version: installer.ParseProgramVersion(stdout)}
	if other.version.Is(versionText()) {
		return nil
	}
	return other
}

// isThisProgram is whether path leads to the file that runs here, or to one with the same bytes.
func isThisProgram(path string) bool {
	own, err := os.Executable()
	if err != nil {
		return false
	}
	a, errA := os.Stat(own)
	b, errB := os.Stat(path)
	switch {
	case errA != nil || errB != nil:
		return false
	case os.SameFile(a, b):
		return true
	case a.Size() != b.Size():
		return false
	}
	ours, errA := os.ReadFile(own)
	theirs, errB := os.ReadFile(path)
	return errA == nil && errB == nil && bytes.Equal(ours, theirs)
}
