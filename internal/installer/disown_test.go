//go:build linux

package installer

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGiveToRoot: what becomes root's was of those who go, whatever stands in its place by then, and only that is given back.
func TestGiveToRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return // nobody else can give files away
	}
	const uid, gid, other = 4711, 4712, 4713
	dir := t.TempDir()
	file := func(name string, uid, gid int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x\n"), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wantOwner := func(path string, uid, gid uint32) {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != uid || st.Gid != gid {
			t.Errorf("%s: expected %d:%d, got %d:%d", path, uid, gid, st.Uid, st.Gid)
		}
	}
	l := leaving{uid, gid}

	log := file("log", uid, gid)
	undo, err := l.giveToRoot(log)
	if err != nil {
		t.Fatal(err)
	}
	wantOwner(log, 0, 0)
	// Somebody puts a file of root's there, meanwhile.
	held := filepath.Join(dir, "held")
	if err := os.Rename(log, held); err != nil {
		t.Fatal(err)
	}
	file("log", 0, 0)
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	wantOwner(log, 0, 0)
	wantOwner(held, uid, gid)

	group := file("group", 0, gid)
	undo, err = leaving{uid, gid}.giveToRoot(group)
	if err != nil {
		t.Fatal(err)
	}
	wantOwner(group, 0, 0)
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	wantOwner(group, 0, gid)
	if _, err := (leaving{uid, nobody}).giveToRoot(group); err != nil {
		t.Fatal(err)
	}
	wantOwner(group, 0, gid)

	theirs := file("theirs", other, other)
	undo, err = l.giveToRoot(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	wantOwner(theirs, other, other)

	link := filepath.Join(dir, "link")
	if err := os.Symlink(held, link); err != nil {
		t.Fatal(err)
	}
	if _, err := l.giveToRoot(link); err != nil {
		t.Fatal(err)
	}
	wantOwner(held, uid, gid)

	if _, err := l.giveToRoot(filepath.Join(dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("expected that nothing is there, got %v", err)
	}
}
