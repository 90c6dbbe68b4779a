package userkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EditSSHConfig changes a person's ~/.ssh/config, or another file that they keep by hand, in the way that edit says. Mode,
// owner (where root does it) and everything that edit leaves alone stay as they are, and readers see the old file or the new one. Behind a symbolic link the
// file that it leads to is changed, and the link stays. A file that is missing is made with mode 0600.
func EditSSHConfig(file string, edit func(old []byte) ([]byte, error)) (changed bool, err error) {
	unlock, err := lockFolder(filepath.Dir(file))
	if err != nil {
		return false, err
	}
	defer unlock()
	return editFile(file, edit)
}

// editFile is EditSSHConfig in a folder that is locked.
func editFile(file string, edit func(old []byte) ([]byte, error)) (changed bool, err error) {
	mode := fs.FileMode(0o600)
	var old []byte
	if info, err := os.Lstat(file); err == nil {
		if info.Mode()&fs.ModeSymlink != 0 {
			link := file
			if file, err = filepath.EvalSymlinks(link); err != nil {
				return false, fmt.Errorf("%s is a symbolic link that leads nowhere: %w", link, err)
			}
			if info, err = os.Stat(file); err != nil {
				return false, err
			}
		}
		if !info.Mode().IsRegular() {
			return false, fmt.Errorf("%s: expected a regular file", file)
		}
		mode = info.Mode().Perm()
		if old, err = os.ReadFile(file); err != nil {
			return false, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	edited, err := edit(bytes.Clone(old))
	if err != nil {
		return false, err
	}
	if bytes.Equal(edited, old) {
		return false, nil
	}
	if err := errors.Join(writeNew(file, edited, mode, keepOwner), os.Rename(file+newSuffix, file)); err != nil {
		_ = os.Remove(file + newSuffix)
		return false, err
	}
	return true, syncFolder(filepath.Dir(file))
}

// addInclude puts an Include of file on top, where it counts for every host. relative is its name below ~/.ssh.
func addInclude(old []byte, relative, absolute string) []byte {
	if includes(old, relative, absolute) {
		return old
	}
	end := "\n"
	if first, _, found := bytes.Cut(old, []byte("\n")); found && bytes.HasSuffix(first, []byte("\r")) {
		end = "\r\n"
	}
	return append([]byte("Include ~/.ssh/"+relative+end), old...)
}

// includes is whether the part of an ssh_config that counts for every host has the Include already.
func includes(config []byte, relative, absolute string) bool {
	for line := range bytes.Lines(config) {
		keyword, value := directive(string(line))
		switch keyword {
		case "host", "match":
			return false
		case "include":
			for _, path := range strings.Fields(strings.ReplaceAll(value, `"`, " ")) {
				switch path {
				case "~/.ssh/" + relative, "%d/.ssh/" + relative, relative, absolute:
					return true
				}
			}
		}
	}
	return false
}

// directive splits a line of ssh_config: keyword in lower case, and the rest, with blanks or one = between.
func directive(line string) (keyword, value string) {
	line = strings.TrimSpace(line)
	at := strings.IndexAny(line, " \t=")
	if at < 0 || strings.HasPrefix(line, "#") {
		return strings.ToLower(line), ""
	}
	value = strings.TrimLeft(line[at:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	return strings.ToLower(line[:at]), value
}
