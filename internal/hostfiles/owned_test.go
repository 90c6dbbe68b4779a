//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// me stands in for root, so that these tests need not be run by it.
func me() owners { return owners{uint32(os.Geteuid())} }

// stranger owns nothing here; root's files pass for everybody, so that the test's own must not be root's.
func strangers(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Past the umask.
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// folder is a temporary folder with nothing loose above it but a sticky one.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	chmod(t, dir, 0o755)
	return dir
}

// noCurrentFolder is a current folder that is gone.
func noCurrentFolder(t *testing.T) {
	t.Helper()
	dir := filepath.Join(folder(t), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	remove(t, dir)
}

func TestReadOwned(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		owners  owners
		want    string // the detail of a Fault, "" for success
	}{
		{"a file", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o640) }, me(), ""},
		{"stricter", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o400) }, me(), ""},
		{"writable by the group", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o660) }, me(), "mode"},
		{"writable by others", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o602) }, me(), "mode"},
		{"folder writable by others", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777)
			return path
		}, me(), "mode"},
		{"folder above writable by the group", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/e/f", "x", 0o600)
			chmod(t, dir+"/d", 0o775)
			return path
		}, me(), "mode"},
		{"sticky folder above", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/e/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777|os.ModeSticky)
			return path
		}, me(), ""},
		{"somebody else's sticky folder above", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/e/f", "x", 0o600)
			strangers(t, dir+"/d")
			chmod(t, dir+"/d", 0o755|os.ModeSticky)
			return path
		}, nil, "owner"},
		{"directly in a sticky folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777|os.ModeSticky)
			return path
		}, me(), "mode"},
		{"somebody else's file", func(t *testing.T, dir string) string {
			path := write(t, dir+"/f", "x", 0o600)
			strangers(t, path)
			return path
		}, nil, "owner"},
		{"in somebody else's folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			strangers(t, dir+"/d")
			return path
		}, nil, "owner"},
		{"a link", func(t *testing.T, dir string) string { return symlink(t, write(t, dir+"/f", "x", 0o600), dir+"/l") }, me(), ""},
		{"a relative link up and down", func(t *testing.T, dir string) string {
			write(t, dir+"/f", "x", 0o600)
			write(t, dir+"/d/g", "y", 0o600)
			return symlink(t, "../f", dir+"/d/l")
		}, me(), ""},
		{"somebody else's link", func(t *testing.T, dir string) string {
			write(t, dir+"/f", "x", 0o600)
			link := symlink(t, "f", dir+"/l")
			strangers(t, link)
			return link
		}, nil, "owner"},
		{"a link into a loose folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777)
			return symlink(t, path, dir+"/l")
		}, me(), "mode"},
		{"a folder", func(t *testing.T, dir string) string { return filepath.Dir(write(t, dir+"/d/f", "x", 0o600)) }, me(), "kind of file"},
		{"a FIFO", func(t *testing.T, dir string) string {
			if err := unix.Mkfifo(dir+"/p", 0o600); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}, me(), "kind of file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := test.prepare(t, folder(t))
			if test.owners == nil && os.Geteuid() != 0 {
				// Everything here is ours, and we are not root: that is the fault to find.
				test.want = "owner"
			}
			done := time.AfterFunc(time.Minute, func() { panic("reading does not end") })
			defer done.Stop()
			data, err := readOwned(path, test.owners)
			var fault *Fault
			switch {
			case test.want == "" && (err != nil || string(data) != "x"):
				t.Fatalf("expected the file's content, got %q, %v", data, err)
			case test.want != "" && (!errors.As(err, &fault) || fault.Detail != test.want):
				t.Fatalf("expected a fault in %s, got %v", test.want, err)
			}
		})
	}
}

func TestReadOwnedMissing(t *testing.T) {
	dir := folder(t)
	for _, path := range []string{dir + "/f", dir + "/d/f", symlink(t, dir+"/nowhere", dir+"/l")} {
		if _, err := readOwned(path, me()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: expected that it does not exist, got %v", path, err)
		}
	}
}

// TestLinkToNowhere: a deny list behind a link, on a disk that is not mounted, is not a deny list that nobody wrote.
func TestLinkToNowhere(t *testing.T) {
	dir := folder(t)
	file, below := symlink(t, dir+"/unmounted/config.yml", dir+"/config.yml"), symlink(t, dir+"/unmounted", dir+"/policy.d")
	if _, err := ReadSystem(file); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file: expected a fault, got %v", err)
	}
	if files, faults := ReadSystemFolder(below, ".yml"); len(files) != 0 || len(faults) != 1 {
		t.Errorf("a folder: expected one fault, got %v and %v", files, faults)
	}
}

// TestReadOwnedThroughAFile: a path does not lead through what is no folder, and a link not even there and back.
func TestReadOwnedThroughAFile(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "x", 0o600)
	for _, path := range []string{path + "/g", symlink(t, "f/../f", dir+"/l")} {
		if data, err := readOwned(path, me()); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: expected ENOTDIR, got %q, %v", path, data, err)
		}
	}
}

func TestReadOwnedLinkLoop(t *testing.T) {
	dir := folder(t)
	symlink(t, "b", dir+"/a")
	symlink(t, "a", dir+"/b")
	if _, err := readOwned(dir+"/a", me()); !errors.Is(err, unix.ELOOP) {
		t.Errorf("expected ELOOP, got %v", err)
	}
}

// TestReadOwnedLinks: as many as Linux follows.
func TestReadOwnedLinks(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "x", 0o600)
	for i := range maxLinks {
		path = symlink(t, filepath.Base(path), fmt.Sprintf("%s/%d", dir, i))
	}
	if data, err := readOwned(path, me()); err != nil || string(data) != "x" {
		t.Errorf("%d links: got %q, %v", maxLinks, data, err)
	}
	if _, err := readOwned(symlink(t, path, dir+"/more"), me()); !errors.Is(err, unix.ELOOP) {
		t.Errorf("one more: expected ELOOP, got %v", err)
	}
}

// TestListOwned: a folder without files, where others can take them away, is no folder in which there are none.
func TestListOwned(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"c", "a", "b"} {
		write(t, dir+"/d/"+name, "x", 0o600)
	}
	if names, err := listOwned(dir+"/d", me()); err != nil || strings.Join(names, " ") != "a b c" {
		t.Errorf("expected a b c, got %q, %v", names, err)
	}
	for mode, want := range map[os.FileMode]string{0o777: "mode", 0o775: "mode", 0o777 | os.ModeSticky: "mode", 0o755: "owner"} {
		dir := folder(t)
		allowed := me()
		if want == "owner" {
			strangers(t, dir)
			allowed = nil
		}
		chmod(t, dir, mode)
		var fault *Fault
		if names, err := listOwned(dir, allowed); !errors.As(err, &fault) || fault.Detail != want {
			t.Errorf("%v: expected a fault in %s, got %q, %v", mode, want, names, err)
		}
	}
}

// TestListOwnedBehindALink: what a link has at its end does not make a folder of everybody's one that stands above another.
func TestListOwnedBehindALink(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/s/d/f", "x", 0o600)
	chmod(t, dir+"/s", 0o777|os.ModeSticky)
	for i, target := range []string{"s/d", "s/d/", "s/d//", "s/d/.", "s//d/./"} {
		var fault *Fault
		got, err := listOwned(symlink(t, target, fmt.Sprintf("%s/%d", dir, i)), me())
		if !errors.As(err, &fault) || fault.Detail != "mode" || fault.Path != dir+"/s" {
			t.Errorf("%s: expected a fault in the mode of %s, got %q, %v", target, dir+"/s", got, err)
		}
	}
}

func TestReadOwnedSize(t *testing.T) {
	path := write(t, folder(t)+"/f", "", 0o600)
	if err := os.Truncate(path, MaxSize); err != nil {
		t.Fatal(err)
	}
	if data, err := readOwned(path, me()); err != nil || len(data) != MaxSize {
		t.Errorf("expected %d bytes, got %d, %v", MaxSize, len(data), err)
	}
	if err := os.Truncate(path, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	var fault *Fault
	if _, err := readOwned(path, me()); !errors.As(err, &fault) || fault.Detail != "size" {
		t.Errorf("expected a fault in size, got %v", err)
	}
}

func TestReadSystemFolder(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"20-b.conf", "10-a.conf", "README", ".hidden.conf", "30-c.conf~"} {
		write(t, filepath.Join(dir, name), name, 0o600)
	}
	write(t, dir+"/15-bad.conf", "x", 0o666)
	files, faults := ReadSystemFolder(dir, ".conf")
	if os.Geteuid() != 0 {
		// Not root's.
		if len(files) != 0 || len(faults) == 0 {
			t.Errorf("expected faults alone, got %v", files)
		}
		return
	}
	if files, faults := ReadSystemFolder(dir+"/missing", ".conf"); len(files)+len(faults) != 0 {
		t.Errorf("a missing folder: %v, %v", files, faults)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.Path))
	}
	if got := strings.Join(names, " "); got != "10-a.conf 20-b.conf" || len(faults) != 1 {
		t.Errorf("got %q and %v", got, faults)
	}
}

// TestFaultHint: a command is for a name that root alone can change. A file is put there anew, since a change of its mode leaves it to
// who has it open.
func TestFaultHint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	const anew = "verifier permissions fix, or "
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		want    string // how the hint begins, with DIR for the folder
	}{
		{"a file", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o666) }, anew},
		{"somebody else's file", func(t *testing.T, dir string) string {
			path := write(t, dir+"/f", "x", 0o600)
			strangers(t, path)
			return path
		}, anew},
		{"a folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/it's/f", "x", 0o600)
			chmod(t, dir+"/it's", 0o777)
			return path
		}, `chmod go-w 'DIR/it'\''s'`},
		{"somebody else's folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			strangers(t, dir+"/d")
			return path
		}, "chown -h root 'DIR/d'"},
		{"somebody else's link", func(t *testing.T, dir string) string {
			write(t, dir+"/f", "x", 0o600)
			link := symlink(t, "f", dir+"/l")
			strangers(t, link)
			return link
		}, "chown -h root 'DIR/l'"},
		{"somebody else's folder, where everybody can make one", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/e/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777|os.ModeSticky)
			strangers(t, dir+"/d/e")
			return path
		}, "it is its owner's to mend, not root's"},
		{"a folder that is meant for everybody", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/f", "x", 0o600)
			chmod(t, dir+"/d", 0o777|os.ModeSticky)
			return path
		}, "use a folder that others cannot write"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			var fault *Fault
			_, err := ReadSystem(test.prepare(t, dir))
			if want := strings.Replace(test.want, "DIR", dir, 1); !errors.As(err, &fault) || !strings.HasPrefix(fault.Hint, want) {
				t.Errorf("expected the hint %q, got %v with %q", want, err, fault.Hint)
			}
		})
	}
}

// TestReadWithoutACurrentFolder: a relative path means nothing then, least of all the root folder.
func TestReadWithoutACurrentFolder(t *testing.T) {
	noCurrentFolder(t)
	var fault *Fault
	if data, err := ReadSystem("f"); err == nil || errors.As(err, &fault) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file: expected the system's error, got %q, %v", data, err)
	}
	if path, err := ResolveSystem("f"); err == nil || errors.As(err, &fault) {
		t.Errorf("a path: expected the system's error, got %q, %v", path, err)
	}
	if files, faults := ReadSystemFolder("d", ""); len(files) != 0 || len(faults) != 1 || errors.As(faults[0], &fault) || errors.Is(faults[0], fs.ErrNotExist) {
		t.Errorf("a folder: expected the system's error alone, got %v, %v", files, faults)
	}
}

// TestResolveSystem: by links that root has made, to whatever is there.
func TestResolveSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	dir := folder(t)
	path := write(t, dir+"/d/f", "x", 0o666)
	strangers(t, path)
	link := symlink(t, "d/f", dir+"/l")
	if got, err := ResolveSystem(link); err != nil || got != path {
		t.Errorf("expected %s, got %q, %v", path, got, err)
	}
	strangers(t, link)
	var fault *Fault
	if got, err := ResolveSystem(link); !errors.As(err, &fault) || fault.Path != link || got != "" {
		t.Errorf("somebody else's link: expected a fault, got %q, %v", got, err)
	}
}

// TestAccessFault: what may not be read is at fault itself where its name can be seen, or else the folder that it stands in.
func TestAccessFault(t *testing.T) {
	dir := folder(t)
	file := write(t, dir+"/f", "x", 0o600)
	group := strconv.Itoa(os.Getegid())
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	for _, test := range []struct {
		op, path  string
		at, chmod string
	}{
		{"open", file, file, "g+r"}, {"open", dir + "/none", dir, "g+rx"}, {"lstat", file, dir, "g+rx"},
	} {
		var fault *Fault
		err := accessFault(fmt.Errorf("read: %w", &fs.PathError{Op: test.op, Path: test.path, Err: unix.EACCES}))
		want := Fault{
			Path: test.at, Detail: "access", Expected: "that the group " + group + " may read it", Got: "permission denied",
			Hint: fmt.Sprintf("chgrp %s '%s' && chmod %s '%s'", group, test.at, test.chmod, test.at),
		}
		if !errors.As(err, &fault) || *fault != want {
			t.Errorf("%s %s: expected %+v, got %+v", test.op, test.path, want, err)
		}
	}
	for _, err := range []error{nil, fs.ErrPermission, &fs.PathError{Op: "open", Path: file, Err: unix.EIO}, &Fault{Path: file}} {
		if got := accessFault(err); got != err {
			t.Errorf("expected %v as it is, got %v", err, got)
		}
	}
}
