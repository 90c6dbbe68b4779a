//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func appending(text string) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) { return append(data[:len(data):len(data)], text...), nil }
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: expected %q, got %q, %v", path, want, got, err)
	}
}

// wantOnly: no lock and no half file is left over.
func wantOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("expected the files %q, got %q", want, got)
	}
}

// names gives what is in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestEditKeepsOwnerGroupAndMode(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "a", 0o604)
	gid := os.Getgid()
	if os.Geteuid() == 0 {
		gid = 4711
	}
	if err := os.Chown(path, -1, gid); err != nil {
		t.Fatal(err)
	}
	if changed, err := editOwned(path, me(), NewFile{}, appending("b")); err != nil || !changed {
		t.Fatalf("expected a change, got %v, %v", changed, err)
	}
	wantText(t, path, "ab")
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&0o7777 != 0o604 || int(st.Gid) != gid || int(st.Uid) != os.Geteuid() {
		t.Errorf("expected mode 0604, group %d and owner %d, got %+v", gid, os.Geteuid(), st)
	}
	wantOnly(t, dir, "f")
}

func TestEditMakesAMissingFile(t *testing.T) {
	gid, folderGid := os.Getgid(), os.Getgid()
	if os.Geteuid() == 0 {
		gid, folderGid = 4711, 4712
	}
	for _, test := range []struct {
		name    string
		sibling os.FileMode // 0: none
		mode    uint32
		gid     int
	}{
		{"alone", 0, 0o644, folderGid},
		{"beside a file for a group", 0o640, 0o640, gid},
		{"beside a file for everyone", 0o755, 0o644, gid},
		{"beside a file for the owner", 0o600, 0o600, gid},
		{"beside a loose file", 0o666, 0o644, gid},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			if err := os.Chown(dir, -1, folderGid); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir+"/d", 0o755); err != nil {
				t.Fatal(err)
			}
			files := []string{"d", "f"}
			if test.sibling != 0 {
				if err := os.Chown(write(t, dir+"/g", "x", test.sibling), -1, gid); err != nil {
					t.Fatal(err)
				}
				files = append(files, "g")
			}
			changed, err := editOwned(dir+"/f", me(), NewFile{Like: []string{"missing", "d", "g"}}, func(data []byte) ([]byte, error) {
				if data != nil {
					t.Errorf("expected nil, got %q", data)
				}
				return []byte("x"), nil
			})
			if err != nil || !changed {
				t.Fatalf("expected a change, got %v, %v", changed, err)
			}
			wantText(t, dir+"/f", "x")
			var st unix.Stat_t
			if err := unix.Stat(dir+"/f", &st); err != nil {
				t.Fatal(err)
			}
			if got := uint32(st.Mode) & 0o7777; got != test.mode || int(st.Gid) != test.gid {
				t.Errorf("expected mode %04o and group %d, got %04o and %d", test.mode, test.gid, got, st.Gid)
			}
			wantOnly(t, dir, files...)
		})
	}
	if _, err := editOwned(folder(t)+"/missing/f", me(), NewFile{}, appending("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: got %v", err)
	}
}

func TestEditWithoutAChange(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "a", 0o600)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("refused")
	for name, test := range map[string]struct {
		path string
		err  error
	}{"the same": {path, nil}, "an error": {path, refusal}, "nothing for a missing file": {dir + "/g", nil}} {
		changed, err := editOwned(test.path, me(), NewFile{}, func(data []byte) ([]byte, error) { return data, test.err })
		if changed || !errors.Is(err, test.err) {
			t.Errorf("%s: got %v, %v", name, changed, err)
		}
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("the file was written")
	}
	wantOnly(t, dir, "f")
}

func TestEditRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string) string
		want    string
	}{
		{"a loose file", func(t *testing.T, dir string) string { return write(t, dir+"/f", "x", 0o666) }, "mode"},
		{"a loose folder", func(t *testing.T, dir string) string {
			chmod(t, filepath.Dir(write(t, dir+"/d/f", "x", 0o600)), 0o777)
			return dir + "/d/f"
		}, "mode"},
		{"a new file in a loose folder", func(t *testing.T, dir string) string {
			chmod(t, filepath.Dir(write(t, dir+"/d/g", "x", 0o600)), 0o775)
			return dir + "/d/f"
		}, "mode"},
		{"a new file in a sticky folder", func(t *testing.T, dir string) string {
			chmod(t, filepath.Dir(write(t, dir+"/d/g", "x", 0o600)), 0o777|os.ModeSticky)
			return dir + "/d/f"
		}, "mode"},
		{"a FIFO", func(t *testing.T, dir string) string {
			if err := unix.Mkfifo(dir+"/f", 0o600); err != nil {
				t.Fatal(err)
			}
			return dir + "/f"
		}, "kind of file"},
		{"a folder", func(t *testing.T, dir string) string { return filepath.Dir(write(t, dir+"/d/f", "x", 0o600)) }, "kind of file"},
		{"a link to nowhere", func(t *testing.T, dir string) string { return symlink(t, dir+"/nowhere", dir+"/l") }, "kind of file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.prepare(t, folder(t))
			changed, err := editOwned(path, me(), NewFile{}, func([]byte) ([]byte, error) {
				t.Error("the file was edited")
				return nil, nil
			})
			var fault *Fault
			if changed || !errors.As(err, &fault) || fault.Detail != test.want {
				t.Fatalf("expected a fault in %s, got %v, %v", test.want, changed, err)
			}
		})
	}
	dir := folder(t)
	path := write(t, dir+"/f", "x", 0o600)
	link := symlink(t, path, dir+"/l")
	strangers(t, link)
	if os.Geteuid() != 0 {
		return // the link is ours
	}
	var fault *Fault
	if _, err := EditSystem(link, NewFile{}, appending("y")); !errors.As(err, &fault) || fault.Detail != "owner" {
		t.Errorf("somebody else's link: got %v", err)
	}
	wantText(t, path, "x")
}

func TestEditBehindALink(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/d/f", "x", 0o600)
	link := symlink(t, "d/f", dir+"/l")
	if changed, err := editOwned(link, me(), NewFile{}, appending("y")); err != nil || !changed {
		t.Fatalf("expected a change, got %v, %v", changed, err)
	}
	wantText(t, path, "xy")
	if target, err := os.Readlink(link); err != nil || target != "d/f" {
		t.Errorf("the link is gone: %q, %v", target, err)
	}
	wantOnly(t, dir+"/d", "f")
}

// TestEditsAtOnce: each builds on what the one before wrote.
func TestEditsAtOnce(t *testing.T) {
	dir := folder(t)
	path := dir + "/f"
	const writers = 20
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := editOwned(path, me(), NewFile{}, appending(fmt.Sprintf("%d\n", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(strings.Fields(string(data))); got != writers {
		t.Errorf("expected %d lines, got %q", writers, data)
	}
	wantOnly(t, dir, "f")
}

// TestEditNoticesOthers: an editor that takes no lock wins.
func TestEditNoticesOthers(t *testing.T) {
	dir := folder(t)
	for _, path := range []string{write(t, dir+"/f", "x", 0o600), dir + "/g"} {
		_, err := editOwned(path, me(), NewFile{}, func([]byte) ([]byte, error) {
			write(t, path, "theirs", 0o600)
			return []byte("ours"), nil
		})
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: expected ErrChanged, got %v", path, err)
		}
		wantText(t, path, "theirs")
	}
	wantOnly(t, dir, "f", "g")
}

// TestEditSaysWhatFails: the file stays as it was, and nothing is left beside it.
func TestEditSaysWhatFails(t *testing.T) {
	// The name of the lock is as long as a name can be; that of a new file beside it would be longer.
	long := strings.Repeat("f", 255-len("..lock"))
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		file    string
		want    error
	}{
		{"a link in the place of the lock", func(t *testing.T, dir string) { symlink(t, dir+"/made", dir+"/.f.lock") }, "f", unix.ELOOP},
		{"a folder in the place of the lock", func(t *testing.T, dir string) { write(t, dir+"/.f.lock/x", "", 0o600) }, "f", unix.EISDIR},
		{"no room for a name beside it", func(*testing.T, string) {}, long, unix.ENAMETOOLONG},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			path := write(t, dir+"/"+test.file, "x", 0o600)
			test.prepare(t, dir)
			before := names(t, dir)
			changed, err := editOwned(path, me(), NewFile{}, appending("y"))
			if changed || !errors.Is(err, test.want) {
				t.Errorf("expected %v, got %v, %v", test.want, changed, err)
			}
			wantText(t, path, "x")
			wantOnly(t, dir, before...)
		})
	}
	if _, err := (NewFile{}).access(folder(t) + "/missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("who may read a file in a missing folder: got %v", err)
	}
	if err := syncFolder(folder(t) + "/missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to write down a missing folder: got %v", err)
	}
	path := write(t, folder(t)+"/f", "x", 0o600)
	if _, exists, err := statForEdit(path + "/x"); exists || !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("below a file: got %v, %v", exists, err)
	}
}

// TestEditOnAFullDisk: a file that could be written by half only is no new file. A limit stands in for the disk.
func TestEditOnAFullDisk(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "x", 0o600)
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	changed, err := editOwned(path, me(), NewFile{}, appending(strings.Repeat("y", 1<<20)))
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if changed || !errors.Is(err, unix.EFBIG) {
		t.Errorf("expected EFBIG, got %v, %v", changed, err)
	}
	wantText(t, path, "x")
	wantOnly(t, dir, "f")
}

// TestSameFile: whatever an editor does to a file shows in one of these.
func TestSameFile(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Lstat(folder(t), &st); err != nil {
		t.Fatal(err)
	}
	if !sameFile(st, st) {
		t.Error("expected that a file is the same as itself")
	}
	for name, change := range map[string]func(*unix.Stat_t){
		"device":         func(st *unix.Stat_t) { st.Dev++ },
		"inode":          func(st *unix.Stat_t) { st.Ino++ },
		"size":           func(st *unix.Stat_t) { st.Size++ },
		"time of change": func(st *unix.Stat_t) { st.Mtim.Nsec++ },
		"time of status": func(st *unix.Stat_t) { st.Ctim.Nsec++ },
	} {
		other := st
		if change(&other); sameFile(st, other) || sameFile(other, st) {
			t.Errorf("another %s: expected that it is another file", name)
		}
	}
}

// TestEditWithoutACurrentFolder: a relative path means nothing then, least of all the root folder.
func TestEditWithoutACurrentFolder(t *testing.T) {
	noCurrentFolder(t)
	changed, err := EditSystem("f", NewFile{}, func([]byte) ([]byte, error) {
		t.Error("a file was edited")
		return nil, nil
	})
	var fault *Fault
	if changed || err == nil || errors.As(err, &fault) {
		t.Errorf("expected the system's error, got %v, %v", changed, err)
	}
}

// TestResolveForEditTwice: a file that another edit makes between two looks is looked for once more, and is no link to nowhere. A path that
// is not cleaned stands in for it: only the second look goes through the link.
func TestResolveForEditTwice(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/d/f", "x", 0o600)
	write(t, dir+"/d/e/g", "x", 0o600)
	symlink(t, "d/e", dir+"/l")
	if got, err := resolveForEdit(dir+"/l/../f", me()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected that it does not exist, got %q, %v", got, err)
	}
}
