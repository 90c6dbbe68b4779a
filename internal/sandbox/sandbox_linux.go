package sandbox

import (
	"errors"
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Enter limits the whole process, all its threads, for good:
//
//   - no other process of the same user can look into its memory, and no core is dumped;
//   - no new privileges: set-user-ID programs such as sudo get none (PR_SET_NO_NEW_PRIVS);
//   - no new process, no other program, and no system call that only another kind of program makes (seccomp);
//   - files are read only, but for Limits.Write; no file is executed; TCP connects to Limits.Connect alone, and nothing listens;
//     no signal and no abstract socket reaches another process (Landlock).
//
// Files and sockets that are open stay as they are. An older kernel takes away what it can: see [Missing]. The error is about what
// this kernel should have done; all else is in force then.
func Enter(limits Limits) error {
	return errors.Join(closeMemory(), enterLandlock(limits), enterSeccomp())
}

func closeMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	return os.NewSyscallError("setrlimit RLIMIT_CORE", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

const (
	readFiles  = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	writeFiles = readFiles | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSRemoveFile
)

// enterLandlock knows the sixth version of Landlock's interface. Later ones would take away sockets of the system's log and UDP.
func enterLandlock(limits Limits) error {
	rules := []landlock.Rule{landlock.PathAccess(readFiles, "/")}
	if len(limits.Write) > 0 {
		rules = append(rules, landlock.PathAccess(writeFiles, limits.Write...))
	}
	for _, port := range limits.Connect {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	if err := landlock.V6.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// The versions of Landlock's interface that brought what Enter uses: landlock(7).
var landlockVersions = []struct {
	version int
	brought string
}{
	{1, "write-protected files (Linux 5.13)"},
	{3, "write-protected contents of files (Linux 6.2)"},
	{4, "limits on TCP ports (Linux 6.7)"},
	{6, "limits on signals and abstract sockets (Linux 6.12)"},
}

// Missing is what [Enter] wants and this kernel has not, or has not switched on.
func Missing() []string {
	var missing []string
	version, err := ll.LandlockGetABIVersion()
	if err != nil {
		version = 0
	}
	for _, v := range landlockVersions {
		if version < v.version {
			missing = append(missing, "Landlock: "+v.brought)
		}
	}
	if err := checkSeccomp(); err != nil {
		missing = append(missing, "seccomp: "+err.Error())
	}
	return missing
}
