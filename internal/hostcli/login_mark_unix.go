//go:build unix

package hostcli

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"syscall"
	"time"
)

// A login makes sshd run this program for the certificate's probe and again for its use. A mark in the cache folder says that
// the first has been logged. The marks are one file of fixed size, a table with a place for each value of 16 bits of a mark's
// hash: nothing has to be swept, and where two logins meet in a place, one is logged twice.
const (
	marksFile = "logged"
	markHash  = 24
	markSize  = markHash + 8 // and the time in Unix seconds
	markAge   = 10 * time.Minute
)

// loginMark is one place in the table. Without the table it does nothing.
type loginMark struct {
	file *os.File
	hash [sha256.Size]byte
}

// openLoginMark takes what a decision and the sshd process that asked have that no others have. Only marks that nobody else
// could have written count: they keep a record out of the log.
func openLoginMark(folder, decision string) *loginMark {
	m := &loginMark{hash: sha256.Sum256([]byte(decision))}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return m
	}
	defer func() { _ = root.Close() }()
	if info, err := root.Stat("."); err != nil || !isOurs(info) {
		return m
	}
	file, err := root.OpenFile(marksFile, os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
	if err != nil {
		return m
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || !isOurs(info) {
		_ = file.Close()
		return m
	}
	m.file = file
	return m
}

func isOurs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0
}

func (m *loginMark) offset() int64 {
	return int64(binary.BigEndian.Uint16(m.hash[markHash:])) * markSize
}

// isThere says whether the same was marked some moments ago.
func (m *loginMark) isThere() bool {
	if m.file == nil {
		return false
	}
	var there [markSize]byte
	if _, err := m.file.ReadAt(there[:], m.offset()); err != nil || !bytes.Equal(there[:markHash], m.hash[:markHash]) {
		return false
	}
	age := time.Since(time.Unix(int64(binary.BigEndian.Uint64(there[markHash:])), 0)) //nolint:gosec // any time but the last seconds is no mark
	return age >= 0 && age < markAge
}

func (m *loginMark) leave() {
	if m.file == nil {
		return
	}
	mark := binary.BigEndian.AppendUint64(m.hash[:markHash:markHash], uint64(time.Now().Unix())) //nolint:gosec // read back in the same way
	// A mark that was not written means one more line in the log.
	_, _ = m.file.WriteAt(mark, m.offset())
}

func (m *loginMark) close() {
	if m.file != nil {
		_ = m.file.Close()
	}
}
