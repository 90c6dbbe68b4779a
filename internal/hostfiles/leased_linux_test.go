package hostfiles

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// lease takes one on a file, and gives it back when somebody opens the file. asked is closed then.
func lease(t *testing.T, path string) (asked chan struct{}) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	breaks := make(chan os.Signal, 1)
	signal.Notify(breaks, unix.SIGIO)
	t.Cleanup(func() { signal.Stop(breaks) })
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	asked = make(chan struct{})
	go func() {
		<-breaks
		_, _ = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		close(asked) // last: the file is closed after the test
	}()
	return asked
}

// TestOwnersAreCheckedBeforeFilesAreOpened: a stranger's lease would make that fail as if the machine were at its end.
func TestOwnersAreCheckedBeforeFilesAreOpened(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/auth_id"
	setOwner(t, path, strangerID, 0, 0o640)
	asked := lease(t, path)
	_, err := ReadSystem(path)
	var fault *Fault
	if !errors.As(err, &fault) || fault.Detail != "owner" || Unavailable(err) {
		t.Errorf("expected a fault of the owner, got %v", err)
	}
	select {
	case <-asked:
		t.Error("the file was opened")
	default:
	}
}

// TestFixOfALeasedFile waits for it.
func TestFixOfALeasedFile(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/auth_id"
	setOwner(t, path, strangerID, commandUID, 0o640)
	asked := lease(t, path)
	if got := told(l, l.Apply(false)); len(got) != 1 || strings.HasPrefix(got[0], "!") {
		t.Errorf("expected a change of the owner, got %q", got)
	}
	<-asked
	if _, err := ReadSystem(path); err != nil {
		t.Error(err)
	}
}

// TestPlanOfALeasedFile: to look at it needs no waiting until the lease is taken away.
func TestPlanOfALeasedFile(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/auth_id"
	setOwner(t, path, strangerID, commandUID, 0o640)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if got := told(l, l.Plan(false)); len(got) != 1 || strings.HasPrefix(got[0], "!") {
		t.Errorf("expected a change of the owner, got %q", got)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		t.Errorf("expected that the lease is still there, got %v", err)
	}
	late := &layoutWalk{Layout: l, apply: true, waited: maxLeaseWait + 1}
	if _, err := late.openLeased(unix.AT_FDCWD, path); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("after long waiting: expected no more of it, got %v", err)
	}
}

// TestOpenLeased: what stands there by now and is no file is not waited for.
func TestOpenLeased(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/f", "x", 0o600)
	symlink(t, "f", dir+"/l")
	if err := unix.Mkfifo(dir+"/p", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		want error
	}{{"f", nil}, {"missing", unix.ENOENT}, {".", unix.EAGAIN}, {"l", unix.EAGAIN}, {"p", unix.EAGAIN}} {
		fd, err := openLeased(unix.AT_FDCWD, dir+"/"+test.name, true)
		if err == nil {
			_ = unix.Close(fd)
		}
		if !errors.Is(err, test.want) {
			// At once: the last one would be waited for.
			t.Fatalf("%s: expected %v, got %v", test.name, test.want, err)
		}
	}
	withFailing(t, unix.SYS_FSTAT, unix.EIO, func() {
		if _, err := openLeased(unix.AT_FDCWD, dir+"/f", true); !errors.Is(err, unix.EIO) {
			t.Errorf("expected EIO, got %v", err)
		}
	})
}
