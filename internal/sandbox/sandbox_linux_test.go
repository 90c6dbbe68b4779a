//go:build amd64 || arm64

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"opkssh/integration/untested"
)

// layerVariable makes this program one that enters a sandbox, since nobody leaves one.
const layerVariable = "SANDBOX_LAYER"

func TestMain(m *testing.M) {
	var err error
	switch layer := os.Getenv(layerVariable); layer {
	case "":
		os.Exit(m.Run())
	case "memory":
		err = errors.Join(CloseMemory(), memoryIsClosed())
	default:
		err = makeMoves(layer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// makeMoves makes each move in a folder of its own, below the current one, and prints how they ended.
func makeMoves(layer string) error {
	port, err := strconv.ParseUint(os.Getenv("PORT"), 10, 16)
	if err != nil {
		return err
	}
	limits := Limits{Connect: []uint16{uint16(port)}}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for name := range moves {
		folder := filepath.Join(dir, name)
		if err := newFolder(folder); err != nil {
			return err
		}
		limits.Write = append(limits.Write, filepath.Join(folder, "cache"))
	}
	enter := map[string]func() error{
		"both":     func() error { return Enter(limits) },
		"landlock": func() error { return enterLandlock(limits) },
		"seccomp":  enterSeccomp,
	}
	if err := enter[layer](); err != nil {
		return err
	}
	ends := map[string]string{}
	for name, m := range moves {
		current = filepath.Join(dir, name)
		var errno unix.Errno
		switch err := m.move(); {
		case err == nil:
			ends[name] = done
		case errors.As(err, &errno):
			ends[name] = unix.ErrnoName(errno)
		default:
			ends[name] = err.Error()
		}
	}
	if layer == "both" {
		if err := noCapabilities(); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(ends)
}

// A move, and how it ends with each layer alone, "" where that depends on the machine. With both it ends as with the one that
// refuses, seccomp before Landlock.
type move struct {
	move              func() error
	landlock, seccomp string
}

const (
	done   = "done"
	eacces = "EACCES"
	eperm  = "EPERM"
	enosys = "ENOSYS" // what seccomp does not let through is not there
)

var moves = map[string]move{
	"read a file":           {func() error { _, err := os.ReadFile(at("outside")); return err }, done, done},
	"list a folder":         {func() error { _, err := os.ReadDir(current); return err }, done, done},
	"make a file":           {func() error { return os.WriteFile(at("new"), nil, 0o600) }, eacces, done},
	"change a file":         {func() error { return os.WriteFile(at("outside"), nil, 0o600) }, eacces, done},
	"cut a file":            {func() error { return os.Truncate(at("outside"), 0) }, eacces, enosys},
	"remove a file":         {func() error { return os.Remove(at("outside")) }, eacces, done},
	"rename a file":         {func() error { return os.Rename(at("outside"), at("elsewhere")) }, eacces, done},
	"move a file out":       {func() error { return os.Rename(at("cache/held"), at("elsewhere")) }, eacces, done},
	"move a file in":        {func() error { return os.Rename(at("outside"), at("cache/elsewhere")) }, eacces, done},
	"link a file in":        {func() error { return os.Link(at("outside"), at("cache/link")) }, "EXDEV", enosys},
	"make a link":           {func() error { return os.Symlink(at("outside"), at("link")) }, eacces, enosys},
	"make a link in there":  {func() error { return os.Symlink(at("outside"), at("cache/link")) }, eacces, enosys},
	"write through a link":  {func() error { return os.WriteFile(at("cache/way-out"), nil, 0o600) }, eacces, done},
	"make a folder":         {func() error { return os.Mkdir(at("folder"), 0o700) }, eacces, done},
	"make a file there":     {func() error { return os.WriteFile(at("cache/new"), []byte(at("new")), 0o600) }, done, done},
	"change a file there":   {func() error { return os.WriteFile(at("cache/held"), []byte(at("new")), 0o600) }, done, done},
	"rename a file there":   {func() error { return os.Rename(at("cache/held"), at("cache/new")) }, done, done},
	"remove a file there":   {func() error { return os.Remove(at("cache/held")) }, done, done},
	"write to an open file": {writeToOpen, done, done},
	"cut an open file":      {func() error { return unix.Ftruncate(openFile, 0) }, done, enosys},

	// Landlock does not know of these.
	"make it set-user-ID":    {func() error { return os.Chmod(at("cache/held"), 0o755|os.ModeSetuid) }, done, enosys},
	"be set-user-ID at once": {setUserID, done, enosys},
	"open the folder":        {func() error { return os.Chmod(at("cache"), 0o777) }, done, enosys},
	"give a file away":       {func() error { return os.Chown(at("cache/held"), os.Getuid(), os.Getgid()) }, done, enosys},
	"another time":           {func() error { return os.Chtimes(at("cache/held"), time.Time{}, time.Unix(1, 0)) }, done, enosys},
	"an attribute":           {func() error { return unix.Setxattr(at("cache/held"), "user.x", []byte("x"), 0) }, "", enosys},

	"run a program":           {func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }, eacces, enosys},
	"start a process":         {startProcess, done, enosys},
	"a namespace":             {func() error { return unix.Unshare(unix.CLONE_NEWUSER) }, "", enosys},
	"trace a process":         {func() error { return unix.PtraceAttach(os.Getppid()) }, eperm, enosys},
	"more threads":            {moreThreads, done, done},
	"no_new_privs everywhere": {noNewPrivileges, done, done},
	"open the memory again":   {func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }, done, enosys},
	"limits of another":       {func() error { return limitFiles(os.Getppid()) }, "", enosys},
	"limits of one's own":     {func() error { return limitFiles(0) }, done, done},
	"priority of another":     {func() error { return unix.Setpriority(unix.PRIO_PROCESS, os.Getppid(), 1) }, "", enosys},

	"the allowed port":        {func() error { return dial("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT"))) }, done, done},
	"another port":            {func() error { return dial("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("OTHER_PORT"))) }, eacces, done},
	"another port, multipath": {func() error { return openSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }, "", enosys},
	"another port, at once":   {fastOpen, "", enosys},
	"another protocol":        {func() error { return openSocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE) }, "", enosys},
	"a port of its own":       {bind, eacces, done},
	"listen":                  {listen, "", enosys},
	"ask for an address":      {func() error { return dial("udp", "127.0.0.1:53") }, done, done},
	"names of interfaces":     {func() error { _, err := net.Interfaces(); return err }, done, done},
	"a server with a file":    {func() error { return dial("unix", os.Getenv("SERVER")) }, done, enosys},
	"a server without a file": {func() error { return dial("unix", "@"+os.Getenv("ABSTRACT")) }, eperm, enosys},
	"packets of its own":      {func() error { return openSocket(unix.AF_PACKET, unix.SOCK_RAW, 0) }, "", enosys},
	"the kernel's ciphers":    {func() error { return openSocket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) }, "", enosys},
	"the kernel's audit":      {func() error { return openSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT) }, "", enosys},
	"a signal":                {func() error { return unix.Kill(os.Getppid(), unix.SIGWINCH) }, eperm, enosys},
	"a signal for a thread":   {func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), unix.SIGWINCH) }, eperm, enosys},
}

// landlockSince are the versions of Landlock's interface that end these moves like that. Older ones end the other moves of the table.
var landlockSince = map[string]int{
	"move a file out": 2, "move a file in": 2, "link a file in": 2, // before, all of these were refused, with other errors
	"cut a file":   3,
	"another port": 4, "a port of its own": 4,
	"a server without a file": 6, "a signal": 6, "a signal for a thread": 6,
}

// current is the folder of a move: a process in the sandbox does not change its own.
var current string

func at(name string) string { return filepath.Join(current, name) }

// openFile is a file that was open before.
const openFile = 3

func setUserID() error {
	file, err := unix.Open(at("cache/program"), unix.O_CREAT|unix.O_WRONLY, 0o4755)
	if err != nil {
		return err
	}
	return unix.Close(file)
}

func limitFiles(pid int) error {
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &unix.Rlimit{})
}

// fastOpen sends with the first packet, for which nobody calls connect.
func fastOpen() error {
	port, err := strconv.ParseUint(os.Getenv("OTHER_PORT"), 10, 16)
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)}
	return errors.Join(unix.Sendto(socket, []byte("hello"), unix.MSG_FASTOPEN, to), unix.Sendmsg(socket, []byte("hello"), nil, to, unix.MSG_FASTOPEN))
}

func writeToOpen() error {
	_, err := os.NewFile(openFile, "open").WriteString("more")
	return err
}

// startProcess is a fork: Go's own way to start programs needs calls that are denied one by one.
func startProcess() error {
	flags := uintptr(unix.CLONE_VFORK | unix.CLONE_VM | unix.SIGCHLD)
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|unix.CLONE_PIDFD, 0, 0, 0, 0, 0)
	if errno == unix.EFAULT || errno == unix.EINVAL {
		return nil // past the filter: CLONE_PIDFD has nowhere to write
	}
	if errno != 0 {
		return errno
	}
	return fmt.Errorf("started process %d", pid)
}

// filtered is whether this thread has a filter.
func filtered() bool {
	status, err := os.ReadFile("/proc/thread-self/status")
	return err == nil && strings.Contains(string(status), "Seccomp:\t2\n")
}

func moreThreads() error {
	var all sync.WaitGroup
	ready := make(chan bool)
	for range 8 {
		all.Go(func() {
			runtime.LockOSThread()
			<-ready
		})
	}
	close(ready)
	all.Wait()
	return noNewPrivileges()
}

// noCapabilities finds none but CAP_DAC_READ_SEARCH.
func noCapabilities() error {
	return eachThread(func(status string) error {
		_, after, _ := strings.Cut(status, "CapPrm:\t")
		held, err := strconv.ParseUint(after[:16], 16, 64)
		if err == nil && held&^(1<<unix.CAP_DAC_READ_SEARCH) != 0 {
			err = fmt.Errorf("expected no capabilities but one, got %x", held)
		}
		return err
	})
}

func noNewPrivileges() error {
	return eachThread(func(status string) error {
		if !strings.Contains(status, "NoNewPrivs:\t1\n") {
			return errors.New("a thread without no_new_privs")
		}
		return nil
	})
}

// eachThread looks at proc_pid_status(5) of each.
func eachThread(look func(status string) error) error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) < 2 {
		return fmt.Errorf("expected several threads, got %v, %w", files, err)
	}
	for _, file := range files {
		status, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return err
		}
		if err := look(string(status)); err != nil {
			return err
		}
	}
	return nil
}

func memoryIsClosed() error {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	if dumpable != 0 || core != (unix.Rlimit{}) {
		return fmt.Errorf("expected a closed memory, got PR_GET_DUMPABLE %d, RLIMIT_CORE %+v", dumpable, core)
	}
	return nil
}

func dial(network, address string) error {
	conn, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func bind() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Close(socket))
}

func listen() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Listen(socket, 1), unix.Close(socket))
}

func openSocket(family, kind, protocol int) error {
	socket, err := unix.Socket(family, kind, protocol)
	if err != nil {
		return err
	}
	return unix.Close(socket)
}

// TestEnter makes each move in a sandbox of each layer, and of both. Of an older kernel less is expected, by what it lacks.
func TestEnter(t *testing.T) {
	version, err := ll.LandlockGetABIVersion()
	if err != nil {
		version = 0
	}
	filters := checkSeccomp() == nil
	dir := t.TempDir()
	listenTo(t, "unix", filepath.Join(dir, "server"))
	environment := []string{
		"PORT=" + listenTo(t, "tcp4", "127.0.0.1:0"), "OTHER_PORT=" + listenTo(t, "tcp4", "127.0.0.1:0"), "ABSTRACT=" + listenTo(t, "unix", ""),
		"SERVER=" + filepath.Join(dir, "server"),
	}
	for layer, shown := range map[string]bool{"landlock": version > 0, "seccomp": filters, "both": version > 0 || filters} {
		t.Run(layer, func(t *testing.T) {
			if !shown {
				untested.Here(t, Missing())
			}
			cmd := exec.Command(os.Args[0])
			cmd.Dir = t.TempDir()
			cmd.Env = append(environment, layerVariable+"="+layer)
			open, err := os.Create(filepath.Join(cmd.Dir, "open"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = open.Close() }()
			cmd.ExtraFiles = []*os.File{open}
			var complaint strings.Builder
			cmd.Stderr = &complaint
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, complaint.String())
			}
			var ends map[string]string
			if err := json.Unmarshal(out, &ends); err != nil {
				t.Fatal(err)
			}
			for name, m := range moves {
				if m.landlock != done && version < max(1, landlockSince[name]) {
					m.landlock = ""
				}
				if want := m.end(layer, filters); want != "" && ends[name] != want {
					t.Errorf("%s: expected %s, got %s", name, want, ends[name])
				}
			}
		})
	}
}

// end is how the move ends with a layer, "" where that is not known. Without filters both are Landlock alone.
func (m move) end(layer string, filters bool) string {
	if layer == "landlock" || layer == "both" && (m.seccomp == done || !filters) {
		return m.landlock
	}
	return m.seccomp
}

// TestCloseMemory has a process of its own, since the memory of this one should stay open.
func TestCloseMemory(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{layerVariable + "=memory"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// newFolder holds the file outside, and a folder cache that may be written to with a file held and a link that leads out of it.
func newFolder(dir string) error {
	return errors.Join(
		os.MkdirAll(filepath.Join(dir, "cache"), 0o700),
		os.WriteFile(filepath.Join(dir, "outside"), []byte("outside"), 0o600),
		os.WriteFile(filepath.Join(dir, "cache/held"), []byte("held"), 0o600),
		os.Symlink("../outside", filepath.Join(dir, "cache/way-out")),
	)
}

// listenTo takes connections until the test ends, and gives the port, or the name of an abstract socket.
func listenTo(t *testing.T, network, address string) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	return strings.TrimPrefix(listener.Addr().String(), "@")
}
