package userkeys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Remove deletes a pair that login wrote, and returns the files that it removed: none if none is there. For anything else the
// error is a *[ForeignError], and nothing is touched.
func (p Pair) Remove() (removed []string, err error) {
	folder := filepath.Dir(p.Key)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if ours, err := p.ours(); err != nil || !ours {
		return nil, err
	}
	// The private key first: a certificate that stays behind alone is still ours, a private key alone is not.
	for _, name := range []string{p.Key, p.Certificate, p.Key + newSuffix, p.Certificate + newSuffix} {
		err := os.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	old, err := p.removeOldCertificate()
	if err != nil {
		return removed, err
	}
	if old != "" {
		removed = append(removed, old)
	}
	return removed, syncFolder(folder)
}

// RemoveUnfinished deletes what logins left behind that were killed while they wrote to folder, which is ~/.ssh, or to the folder opkssh
// below it. There may be a private key among it. It returns the files that it removed, and waits for a login that writes now.
func RemoveUnfinished(folder string) (removed []string, err error) {
	for _, folder := range []string{folder, filepath.Join(folder, Folder)} {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, err
		}
		if !slices.ContainsFunc(entries, unfinished) {
			continue
		}
		some, err := removeUnfinishedIn(folder)
		removed = append(removed, some...)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func unfinished(entry fs.DirEntry) bool {
	return entry.Type().IsRegular() && strings.HasSuffix(entry.Name(), newSuffix)
}

func removeUnfinishedIn(folder string) (removed []string, err error) {
	unlock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !unfinished(e) }) {
		name := filepath.Join(folder, entry.Name())
		if err := os.Remove(name); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, syncFolder(folder)
}
