package installer

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// rewritten are files to which an entry is added, and from which it is taken again: their time cannot stay.
var rewritten = []string{"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"}

// Tree is all of a system: of each file its kind, owner, group, mode, device, target, content, extended attributes and, but for
// those of rewritten, the time of its last change. Folders have no time, since each file that came and went has changed it.
func (r *Root) Tree(t testing.TB) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.Dir, path)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		entry := fmt.Sprintf("mode %o, owner %d:%d, device %d", st.Mode, st.Uid, st.Gid, st.Rdev)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			entry += ", target " + target
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			entry += fmt.Sprintf(", %d bytes, SHA-256 %x", len(data), sha256.Sum256(data))
			if !slices.Contains(rewritten, name) {
				entry += fmt.Sprintf(", changed %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
			}
		}
		attributes := make([]byte, 64<<10)
		if n, err := unix.Llistxattr(path, attributes); err == nil {
			entry += fmt.Sprintf(", attributes %q", attributes[:n])
		}
		tree[name] = entry
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// WantTree names what is not as before.
func (r *Root) WantTree(t testing.TB, before map[string]string) {
	t.Helper()
	after := r.Tree(t)
	if len(before) < 1000 {
		t.Errorf("expected a whole system, got %d files", len(before))
	}
	for name, entry := range before {
		if after[name] != entry {
			t.Errorf("%s: before: %s, after: %s", name, entry, after[name])
		}
	}
	for name, entry := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s: new: %s", name, entry)
		}
	}
}
