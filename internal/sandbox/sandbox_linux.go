package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Supported is whether [Enter] does anything on this system.
const Supported = true

// Enter limits the whole process, all its threads, for good:
//
//   - memory is closed: see [CloseMemory];
//   - root keeps no capability but the one to read files;
//   - no new privileges: set-user-ID programs such as sudo get none (PR_SET_NO_NEW_PRIVS);
//   - files are read only, but for Limits.Write; no file is executed; TCP connects to Limits.Connect alone;
//     no signal and no abstract socket reaches another process (Landlock);
//   - of the system calls there are those that this takes: no new process, no other program, no server, no Unix socket, no owner,
//     mode or attribute of a file (seccomp).
//
// Files and sockets that are open stay as they are. An older kernel takes away what it can: see [Missing]. The error is about what
// this kernel should have done; all else is in force then.
func Enter(limits Limits) error {
	return errors.Join(CloseMemory(), dropCapabilities(), enterLandlock(limits), enterSeccomp())
}

// CloseMemory keeps other processes of the same user from looking into this one from now on, and its memory out of core files.
func CloseMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	return os.NewSyscallError("setrlimit RLIMIT_CORE", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

// dropCapabilities leaves root what reads files in folders that are closed to others: capabilities(7).
func dropCapabilities() error {
	if unix.Geteuid() != 0 {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData
	if err := unix.Capget(&header, &held[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	read := held[0].Permitted & (1 << unix.CAP_DAC_READ_SEARCH)
	kept := [2]unix.CapUserData{{Effective: read, Permitted: read}}
	//nolint:gosec // as capset(2) wants it
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&kept[0])), 0)
	if errno != 0 {
		return os.NewSyscallError("capset", errno)
	}
	return nil
}

// setNoNewPrivileges is for kernels and machines without a filter that brings it to all threads.
func setNoNewPrivileges() error {
	return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
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
