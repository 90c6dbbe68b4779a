package userkeys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Folder is where each account has a key of its own, below ~/.ssh.
const Folder = "opkssh"

// BaseName is the file name of an account's key in [Folder], for the first account there: the issuer without https://, a
// hyphen, and the first 20 characters of the client ID, with each run of what is not A-Za-z0-9_.- replaced by one _. It is the
// name that other opkssh clients use.
func BaseName(issuer, clientID string) string {
	if len(clientID) > 20 {
		clientID = clientID[:20]
	}
	return fileName(strings.TrimPrefix(issuer, "https://") + "-" + clientID)
}

// outsideFileNames is compiled at its first use: ssh waits for each start of opkssh ensure, which makes no name.
var outsideFileNames = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9_.-]+`) })

func fileName(s string) string { return outsideFileNames().ReplaceAllString(s, "_") }

// Place finds the files for a new key of an account in folder, which is ~/.ssh/opkssh: those that the account has, else the
// first name that is free. The names are [BaseName], the same with the account, and that with a hash. A key that has expired
// takes no name. The error is a *[TakenError].
func Place(folder string, id Identity, now time.Time) (Pair, error) {
	names := placeNames(id)
	for _, name := range names {
		pair := At(filepath.Join(folder, name))
		if other, found := Read(pair); found && other.Same(id) && pair.Available() == nil {
			return pair, nil
		}
	}
	var taken TakenError
	for _, name := range names {
		pair := At(filepath.Join(folder, name))
		err := pair.Available()
		if other, found := Read(pair); err == nil && (!found || other.Expired(now) || other.Problem != "") {
			return pair, nil
		} else if err == nil {
			err = &ForeignError{pair.Key, "the key of another account"}
		}
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			return Pair{}, err
		}
		taken.Foreign = append(taken.Foreign, foreign)
	}
	return Pair{}, &taken
}

// placeNames: the account alone may be another one's after what fileName replaced, and its length is somebody else's choice.
func placeNames(id Identity) []string {
	base := BaseName(id.Issuer, id.ClientID)
	account := fileName(id.Account())
	if len(account) > 40 {
		account = account[:40]
	}
	hash := sha256.Sum256([]byte(id.Issuer + "\x00" + id.ClientID + "\x00" + id.Subject))
	return []string{base, base + "-" + account, base + "-" + account + "-" + hex.EncodeToString(hash[:8])}
}
