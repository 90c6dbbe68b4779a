package hostfiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// readableFor gives one more user the right to read a file, as `setfacl -m u:UID:r` does (acl(5)).
func readableFor(t *testing.T, path string, uid uint32) []byte {
	t.Helper()
	const version, userObject, user, groupObject, mask, other, nobody = 2, 0x01, 0x02, 0x04, 0x10, 0x20, 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, version)
	for _, entry := range []struct {
		tag, rights uint16
		id          uint32
	}{{userObject, 6, nobody}, {user, 4, uid}, {groupObject, 0, nobody}, {mask, 4, nobody}, {other, 0, nobody}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.rights)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	if err := unix.Setxattr(path, accessAttributes[0], list, 0); err != nil {
		t.Fatal(err)
	}
	return list
}

func accessListOf(t *testing.T, path string) []byte {
	t.Helper()
	value := make([]byte, 1<<10)
	n, err := unix.Getxattr(path, accessAttributes[0], value)
	if err != nil && !errors.Is(err, unix.ENODATA) {
		t.Fatal(err)
	}
	return value[:max(n, 0)]
}

// TestEditKeepsTheAccessList: where the verifier's user reads a file by its access control list, a lock must not lock out everyone.
func TestEditKeepsTheAccessList(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "a", 0o600)
	probe := write(t, dir+"/probe", "", 0o600)
	if _, err := unix.Getxattr(probe, accessAttributes[0], nil); errors.Is(err, unix.ENOTSUP) {
		t.Log("the file system has no access control lists: nothing can be lost")
		return
	}
	want := readableFor(t, path, 4711)
	for _, file := range []string{path, dir + "/new"} {
		changed, err := editOwned(file, me(), NewFile{Like: []string{"f"}}, func([]byte) ([]byte, error) { return []byte("b"), nil })
		if err != nil || !changed {
			t.Fatalf("%s: expected a change, got %v, %v", file, changed, err)
		}
		if got := accessListOf(t, file); !bytes.Equal(got, want) {
			t.Errorf("%s: expected the list %x, got %x", file, want, got)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: expected mode 0640, got %v, %v", file, info.Mode(), err)
		}
	}
}

// TestFixKeepsTheAccessList: nor does a copy that takes a file away from whoever could write it.
func TestFixKeepsTheAccessList(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/auth_id"
	if _, err := unix.Getxattr(path, accessAttributes[0], nil); errors.Is(err, unix.ENOTSUP) {
		t.Log("the file system has no access control lists: nothing can be lost")
		return
	}
	want := readableFor(t, path, 4711)
	setOwner(t, path, strangerID, 0, 0o640)
	if got := told(l, l.Apply(false)); len(got) != 1 {
		t.Errorf("expected a change of the owner, got %q", got)
	}
	if got := accessListOf(t, path); !bytes.Equal(got, want) {
		t.Errorf("expected the list %x, got %x", want, got)
	}
}

// TestCopyAccessErrors: an access control list that could not be read or written is not one that was not there.
func TestCopyAccessErrors(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/f", "x", 0o600)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := copyAccess(dir+"/missing", file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected that the example is missing, got %v", err)
	}
	if name, err := writeBeside(path, nil, access{effectiveUID(), uint32(os.Getegid()), 0o600, dir + "/missing"}); !errors.Is(err, fs.ErrNotExist) || name != "" {
		t.Errorf("a file with a missing example: expected none, got %q, %v", name, err)
	}
	wantOnly(t, dir, "f")
}

// TestEditOfAFileThatIsRemoved: it does not come back. Where there are no access control lists to copy, nothing is said of it before the
// last look.
func TestEditOfAFileThatIsRemoved(t *testing.T) {
	for _, attributes := range [][]string{accessAttributes, nil} {
		defer func(was []string) { accessAttributes = was }(accessAttributes)
		accessAttributes = attributes
		dir := folder(t)
		path := write(t, dir+"/f", "x", 0o600)
		changed, err := editOwned(path, me(), NewFile{}, func([]byte) ([]byte, error) {
			remove(t, path)
			return []byte("y"), nil
		})
		if changed || err == nil || attributes == nil && !errors.Is(err, ErrChanged) {
			t.Errorf("attributes %q: expected an error, got %v, %v", attributes, changed, err)
		}
		wantOnly(t, dir)
	}
}

// TestMayOpenByAnAccessList: what it says is not looked at, so that nothing is known.
func TestMayOpenByAnAccessList(t *testing.T) {
	path := write(t, folder(t)+"/ca.pem", "x", 0o600)
	if _, err := unix.Getxattr(path, accessAttributes[0], nil); errors.Is(err, unix.ENOTSUP) {
		t.Log("the file system has no access control lists: nothing can be lost")
		return
	}
	user := &Account{Name: "opksshuser", UID: commandUID, GID: commandUID}
	closed := func() bool {
		var fault *Fault
		return errors.As(user.MayOpen(path), &fault) && fault.Path == path
	}
	if os.Geteuid() == 0 && !closed() {
		t.Error("expected that the mode keeps the user out")
	}
	readableFor(t, path, commandUID)
	if closed() {
		t.Error("expected that nothing is known")
	}
}
