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

	"golang.org/x/sys/unix"
)

// layerVariable makes this program one that enters a sandbox, since nobody leaves one.
const layerVariable = "SANDBOX_LAYER"

func TestMain(m *testing.M) {
	if layer := os.Getenv(layerVariable); layer != "" {
		if err := makeMoves(layer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
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
		if err := os.Chdir(filepath.Join(dir, name)); err != nil {
			return err
		}
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
	return json.NewEncoder(os.Stdout).Encode(ends)
}

// A move, and how it ends with each layer alone, "" where that depends on the machine. With both it ends as with the one that refuses.
type move struct {
	move              func() error
	landlock, seccomp string
}

const (
	done   = "done"
	eacces = "EACCES"
	eperm  = "EPERM"
)

var moves = map[string]move{
	"read a file":           {func() error { _, err := os.ReadFile("outside"); return err }, done, done},
	"list a folder":         {func() error { _, err := os.ReadDir("."); return err }, done, done},
	"make a file":           {func() error { return os.WriteFile("new", nil, 0o600) }, eacces, done},
	"change a file":         {func() error { return os.WriteFile("outside", nil, 0o600) }, eacces, done},
	"cut a file":            {func() error { return os.Truncate("outside", 0) }, eacces, done},
	"remove a file":         {func() error { return os.Remove("outside") }, eacces, done},
	"rename a file":         {func() error { return os.Rename("outside", "elsewhere") }, eacces, done},
	"move a file out":       {func() error { return os.Rename("cache/held", "elsewhere") }, eacces, done},
	"move a file in":        {func() error { return os.Rename("outside", "cache/elsewhere") }, eacces, done},
	"link a file in":        {func() error { return os.Link("outside", "cache/link") }, "EXDEV", done},
	"make a link":           {func() error { return os.Symlink("outside", "link") }, eacces, done},
	"make a link in there":  {func() error { return os.Symlink("outside", "cache/link") }, eacces, done},
	"write through a link":  {func() error { return os.WriteFile("cache/way-out", nil, 0o600) }, eacces, done},
	"make a folder":         {func() error { return os.Mkdir("folder", 0o700) }, eacces, done},
	"make a file there":     {func() error { return os.WriteFile("cache/new", []byte("new"), 0o600) }, done, done},
	"change a file there":   {func() error { return os.WriteFile("cache/held", []byte("new"), 0o600) }, done, done},
	"rename a file there":   {func() error { return os.Rename("cache/held", "cache/new") }, done, done},
	"remove a file there":   {func() error { return os.Remove("cache/held") }, done, done},
	"write to an open file": {writeToOpen, done, done},

	"run a program":           {func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }, eacces, eperm},
	"start a process":         {startProcess, done, eperm},
	"a namespace":             {func() error { return unix.Unshare(unix.CLONE_NEWUSER) }, "", eperm},
	"trace a process":         {func() error { return unix.PtraceAttach(os.Getppid()) }, eperm, eperm},
	"more threads":            {moreThreads, done, done},
	"no_new_privs everywhere": {noNewPrivileges, done, done},
	"a core file":             {memoryIsClosed, "open", "open"},

	"the allowed port":        {func() error { return dial("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT"))) }, done, done},
	"another port":            {func() error { return dial("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("OTHER_PORT"))) }, eacces, done},
	"a port of its own":       {bind, eacces, done},
	"listen":                  {listen, "", eperm},
	"another port, multipath": {func() error { return openSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }, "", eperm},
	"ask for an address":      {func() error { return dial("udp", "127.0.0.1:53") }, done, done},
	"the system's log":        {func() error { return dial("unix", os.Getenv("LOG")) }, done, done},
	"a socket without a file": {func() error { return dial("unix", "@"+os.Getenv("ABSTRACT")) }, eperm, done},
	"packets of its own":      {func() error { return openSocket(unix.AF_PACKET, unix.SOCK_RAW, 0) }, "", eperm},
	"the kernel's ciphers":    {func() error { return openSocket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) }, "", eperm},
	"a signal":                {func() error { return unix.Kill(os.Getppid(), unix.SIGWINCH) }, eperm, done},
}

func writeToOpen() error {
	_, err := os.NewFile(3, "open").WriteString("more")
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

// noNewPrivileges looks at each thread.
func noNewPrivileges() error {
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
		if !strings.Contains(string(status), "NoNewPrivs:\t1\n") {
			return fmt.Errorf("%s is without no_new_privs", file)
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
		return errors.New("open")
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

// TestEnter makes each move in a sandbox of each layer, and of both.
func TestEnter(t *testing.T) {
	if missing := Missing(); len(missing) > 0 {
		t.Fatalf("this kernel cannot show it all: %q", missing)
	}
	dir := t.TempDir()
	listenTo(t, "unix", filepath.Join(dir, "log"))
	environment := []string{
		"PORT=" + listenTo(t, "tcp4", "127.0.0.1:0"), "OTHER_PORT=" + listenTo(t, "tcp4", "127.0.0.1:0"), "ABSTRACT=" + listenTo(t, "unix", ""),
		"LOG=" + filepath.Join(dir, "log"),
	}
	for layer, want := range map[string]func(move) string{
		"landlock": func(m move) string { return m.landlock },
		"seccomp":  func(m move) string { return m.seccomp },
		"both":     move.withBoth,
	} {
		t.Run(layer, func(t *testing.T) {
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
				if want := want(m); want != "" && ends[name] != want {
					t.Errorf("%s: expected %s, got %s", name, want, ends[name])
				}
			}
		})
	}
}

func (m move) withBoth() string {
	if m.seccomp == "open" {
		return done
	}
	if m.seccomp != done {
		return m.seccomp
	}
	return m.landlock
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
