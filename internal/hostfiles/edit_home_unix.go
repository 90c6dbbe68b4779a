//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EditHome is [EditSystem] for the user's own rules, ~/.opk/auth_id, which the rules of [ReadHome] are for. A missing folder is made with
// mode 0700, a missing file with 0600. It must be run by the user: root would follow what another user has put there.
func EditHome(account *Account, edit func(data []byte) ([]byte, error)) (changed bool, err error) {
	if euid := effectiveUID(); euid != account.UID {
		return false, &Fault{
			Path: account.HomeFile(), Detail: "who runs this", Expected: "the user " + account.Name, Got: fmt.Sprintf("uid %d", euid),
		}
	}
	if _, err := ReadHome(account); errors.Is(err, fs.ErrNotExist) {
		// Nothing is made for an edit that would be refused or would change nothing.
		if edited, err := edit(nil); err != nil || len(edited) == 0 {
			return false, err
		}
		if err := account.makeHomeFile(); err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	return editOwned(account.HomeFile(), owners{account.UID}, NewFile{}, edit)
}

func (a *Account) makeHomeFile() error {
	path := a.HomeFile()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}
