//go:build unix

package hostfiles

import (
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const otherGroup = commandUID + 1

// TestNewFileForItsReader: who reads the neighbours reads the new file, which is open to nobody else than they are.
func TestNewFileForItsReader(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	reader := &Account{Name: "opksshuser", UID: commandUID, GID: commandUID}
	type file struct {
		name string
		gid  int
		mode fs.FileMode
	}
	like := []string{"providers", "providers.d/*.conf"}
	for _, test := range []struct {
		name   string
		folder fs.FileMode
		files  []file
		reader *Account
		gid    uint32
		mode   fs.FileMode
	}{
		{"nothing is known", 0o755, nil, nil, otherGroup, 0o644},
		{"nothing is known, and the folder is for its group", 0o750, nil, nil, otherGroup, 0o640},
		{"nothing is known, and the folder cannot be listed", 0o751, nil, nil, otherGroup, 0o640},
		{"no neighbour", 0o755, nil, reader, commandUID, 0o640},
		{"a drop-in for everybody", 0o755, []file{{"providers.d/a.conf", 0, 0o644}}, nil, 0, 0o644},
		{"a drop-in for everybody, and its reader", 0o755, []file{{"providers.d/a.conf", 0, 0o644}}, reader, 0, 0o644},
		{"a drop-in for the reader's group", 0o755, []file{{"providers.d/a.conf", commandUID, 0o640}}, nil, commandUID, 0o640},
		{"a drop-in that does not count", 0o755, []file{{"providers.d/.a.conf", 0, 0o600}, {"providers.d/a.conf~", 0, 0o600}}, nil, otherGroup, 0o644},
		{"one that the reader cannot read", 0o755, []file{{"providers", 0, 0o600}, {"providers.d/a.conf", commandUID, 0o640}}, reader, commandUID, 0o640},
		{"none that the reader can read", 0o755, []file{{"providers", otherGroup, 0o640}}, reader, commandUID, 0o640},
		{"root reads all", 0o755, []file{{"providers", otherGroup, 0o640}}, &Account{Name: "root"}, otherGroup, 0o640},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Below /, since a test's own folder is closed to the reader.
			dir, err := os.MkdirTemp("/", "newfile")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { removeAll(t, dir) })
			setOwner(t, dir, 0, otherGroup, test.folder)
			for _, f := range test.files {
				path := write(t, dir+"/"+f.name, "x", f.mode)
				setOwner(t, path, 0, f.gid, f.mode)
			}
			makeFolder(t, dir+"/providers.d")
			makeLink(t, "gone", dir+"/providers.d/0.conf") // is no neighbour
			made := NewFile{Like: like, Reader: test.reader}
			if changed, err := EditSystem(dir+"/config.yml", made, appending("x")); err != nil || !changed {
				t.Fatalf("expected a new file, got %v, %v", changed, err)
			}
			wantMode(t, dir+"/config.yml", test.mode)
			var st unix.Stat_t
			if err := unix.Stat(dir+"/config.yml", &st); err != nil || st.Gid != test.gid || st.Uid != 0 {
				t.Errorf("expected owner 0 and group %d, got %+v, %v", test.gid, st, err)
			}
		})
	}
}

// makeFolder makes a folder that everybody can list, whatever the umask, unless it is there.
func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o755)
}
