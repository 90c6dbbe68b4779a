package hostfiles

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Account is a user of this host.
type Account struct {
	Name string
	UID  uint32
	GID  uint32 // its own group
	Home string // absolute and cleaned, or "" where the account has no such folder
}

// ErrNoAccount is the error about a user that the host does not have.
var ErrNoAccount = errors.New("no such user on this host")

// ErrUserName is in the error about what cannot be a user's name. Nothing was asked about it.
var ErrUserName = errors.New("not the name of a user")

// maxUserName is the longest user name in bytes, that of a rule's principal.
const maxUserName = 256

// checkUserName refuses names that mean something else to the files and programs that are asked about them: a line, a column, a
// path, an option, several arguments. It accepts those of directory services, with capitals, dots, @ and \.
func checkUserName(name string) error {
	bad := func(detail string) error { return fmt.Errorf("%w: %s", ErrUserName, detail) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > maxUserName:
		return bad(fmt.Sprintf("expected at most %d bytes, got %d", maxUserName, len(name)))
	case name[0] == '-':
		return bad("it begins with -")
	case !utf8.ValidString(name):
		return bad("it is not UTF-8")
	}
	for _, c := range name {
		if c == ':' || c == '/' || unicode.IsSpace(c) || unicode.IsControl(c) {
			return bad(fmt.Sprintf("it holds %+q", c))
		}
	}
	return nil
}

// findAccount reads lines of passwd(5) until one has this very name. The name decides and nothing like it: getent takes a number
// for a user ID, and directory services may fold case.
func findAccount(passwd io.Reader, name string) (*Account, error) {
	const columns = 7
	if name == "" {
		return nil, ErrNoAccount
	}
	lines := bufio.NewScanner(passwd)
	for lines.Scan() {
		entry := strings.Split(lines.Text(), ":")
		// # begins a comment, + and - what NIS adds and takes away.
		if entry[0] != name || len(entry) != columns || strings.ContainsAny(name[:1], "#+-") {
			continue
		}
		uid, err := strconv.ParseUint(entry[2], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("passwd entry of %+q: expected a user ID, got %+q", name, entry[2])
		}
		gid, err := strconv.ParseUint(entry[3], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("passwd entry of %+q: expected a group ID, got %+q", name, entry[3])
		}
		account := &Account{Name: name, UID: uint32(uid), GID: uint32(gid)}
		if home := entry[5]; filepath.IsAbs(home) {
			account.Home = filepath.Clean(home)
		}
		return account, nil
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, ErrNoAccount
}
