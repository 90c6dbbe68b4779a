package userkeys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
