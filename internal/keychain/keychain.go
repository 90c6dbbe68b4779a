// Package keychain keeps refresh tokens between one use and the next: in the operating system's keychain, and where there is
// none in files that nobody but the person can read.
//
// A refresh token gives new ID tokens until the provider forgets it, so that it is worth more than the key that it renews. It
// is never in an argument list, an environment, an error or a log.
package keychain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opkssh/internal/filelock"
)

// ErrNone says that nothing is kept for a key.
var ErrNone = errors.New("no refresh token is kept for this key")

// Account is whom a refresh token speaks for: a subject of an issuer, at one of its clients.
type Account struct {
	Issuer, ClientID, Subject string
}

// name begins the names of the account's entries. Older releases kept one entry for each account, under this name.
func (a Account) name() string { return hash(a.Issuer + "\x00" + a.ClientID + "\x00" + a.Subject) }

// Key is what a refresh token renews: the key of the login that gave it. Where a provider repeats the login's nonce, no refreshed ID token
// fits another key.
type Key struct {
	Account
	Fingerprint string // of the public key
}

// name is that of the key's entry and lock.
func (k Key) name() string { return k.Account.name() + nameSeparator + hash(k.Fingerprint) }

const nameSeparator = "-"

// hash has no character that a file system or a keychain minds.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:hashSize])
}

// hashSize is the length of a hash, in bytes before they are hex.
const hashSize = 16

// Entry is what is kept for a key.
type Entry struct {
	RefreshToken string `json:"refresh_token"`
	// ClientID is the client that has logged in, which an ID token for several need not say. Older releases kept none.
	ClientID string `json:"client_id,omitempty"`
	// ClientSecret is the one that the login was made with, for a provider that no configuration file names.
	ClientSecret string `json:"client_secret,omitempty"`
	// KeyFile is the private key that it renews, an absolute path.
	KeyFile string `json:"key_file,omitempty"`
	// ExpiresIn is how long the login's flags want certificates to last, and the other two how they want an agent to keep the key.
	ExpiresIn     time.Duration `json:"expires_in,omitempty"`
	AgentConfirm  bool          `json:"agent_confirm,omitempty"`
	AgentLifetime time.Duration `json:"agent_lifetime,omitempty"`
}

// System is an operating system's keychain. Get gives [ErrNone] for what is not there, and Delete does too.
type System interface {
	Get(name string) (string, error)
	Set(name, secret string) error
	Delete(name string) error
}

// Store keeps entries.
type Store struct {
	// Folder is where lock files are, and secrets for which there is no keychain. It is made, with mode 0700.
	Folder string
	// System is nil where there is no keychain: see [Native].
	System System
}

// Place says where an entry is kept.
type Place string

// The places.
const (
	InKeychain Place = "keychain"
	InFile     Place = "file"
)

// Lock keeps other processes from a key's entry: a refresh token that rotates can be used once.
func (s *Store) Lock(ctx context.Context, k Key) (unlock func(), err error) {
	return s.lock(ctx, k.name())
}

func (s *Store) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return nil, err
	}
	file := s.lockFile(name)
	_, noLock := os.Lstat(file)
	release, _, err := filelock.Lock(ctx, file, nil)
	if err != nil {
		return nil, err
	}
	return func() {
		// One that stays says that there is something to delete, which may be in a keychain that is not here.
		if s.System == nil && noLock != nil {
			_ = os.Remove(file)
		}
		release()
	}, nil
}

// Put keeps an entry in the place of an older one. The caller has the key's lock. A keychain that does not take it, because it
// is locked, or the entry too large for it, is why it goes to a file: trouble says so, and is nil without a keychain too.
func (s *Store) Put(k Key, e Entry) (place Place, trouble, err error) {
	data, err := json.Marshal(e) //nolint:gosec // a keychain is for secrets
	if err != nil {
		return "", nil, err
	}
	name := k.name()
	if s.System != nil {
		if trouble = s.System.Set(name, string(data)); trouble == nil {
			// An older one in a file would not be the newest any more.
			return InKeychain, nil, s.removeFiles(name)
		}
	}
	if err := s.writeFile(name, data); err != nil {
		return "", trouble, err
	}
	if s.System != nil {
		_ = s.System.Delete(name) // Get looks at the file first, so that an old one that stays does no harm
	}
	return InFile, trouble, nil
}

// Get finds a key's entry. The error is [ErrNone] if there is none.
func (s *Store) Get(k Key) (Entry, error) { return s.get(k.name()) }

// Adopt makes the entry that an older release kept for the account the key's, if mine says that it is. The caller has the key's lock. The
// error is [ErrNone] if there is none.
func (s *Store) Adopt(ctx context.Context, k Key, mine func(Entry) bool) (Entry, error) {
	older := k.Account.name()
	if !s.isKnown(older) {
		return Entry{}, ErrNone
	}
	unlock, err := s.lock(ctx, older)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	e, err := s.get(older)
	if err != nil {
		return Entry{}, err
	}
	if !mine(e) {
		return Entry{}, ErrNone
	}
	if _, _, err := s.Put(k, e); err != nil {
		return Entry{}, err
	}
	if err := s.delete(older); err != nil {
		return Entry{}, err
	}
	_ = os.Remove(s.lockFile(older))
	return e, nil
}

// isKnown is whether there may be an entry: each in a keychain has left its lock behind.
func (s *Store) isKnown(name string) bool {
	_, noLock := os.Lstat(s.lockFile(name))
	_, noFile := os.Lstat(s.file(name))
	return noLock == nil || noFile == nil
}

func (s *Store) get(name string) (Entry, error) {
	data, err := readFile(s.file(name))
	if errors.Is(err, ErrNone) && s.System != nil {
		var text string
		text, err = s.System.Get(name)
		data = []byte(text)
	}
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if json.Unmarshal(data, &e) != nil || e.RefreshToken == "" {
		// The library's error would quote what was there.
		return Entry{}, errUnreadable
	}
	return e, nil
}

var errUnreadable = errors.New("what is kept for this key cannot be read: log in again")

// Delete forgets a key's entry, wherever it is, and its lock. The error is [ErrNone] if there is none, and [ErrUsed] if used
// vouches for it. An entry that used cannot be asked about stays. The caller has no lock of the key.
func (s *Store) Delete(ctx context.Context, k Key, used func(e Entry) bool) error {
	if _, err := os.Lstat(s.Folder); s.System == nil && errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	return s.deleteLocked(ctx, k.name(), func() error { return s.unused(k.name(), used) })
}

// DeleteUnused forgets the entries of an account, nil for all, that used does not vouch for, and says how many. is tells whose entry it is,
// which it does not say by itself; that of an older release is each key's of its account. Nonsense is of no use; an entry that cannot be
// had, as in a keychain that is locked, stays. It goes on after an error.
func (s *Store) DeleteUnused(ctx context.Context, of *Account, used func(e Entry, is func(Key) bool) bool) (deleted int, err error) {
	names, err := s.names()
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, name := range names {
		account, _, _ := strings.Cut(name, nameSeparator)
		if of != nil && of.name() != account {
			continue
		}
		is := func(k Key) bool { return name == k.name() || name == k.Account.name() }
		unused := func() error {
			return s.unused(name, func(e Entry) bool { return used(e, is) })
		}
		switch err := s.deleteLocked(ctx, name, unused); {
		case err == nil:
			deleted++
		case !errors.Is(err, ErrNone) && !errors.Is(err, ErrUsed):
			errs = append(errs, err)
		}
	}
	return deleted, errors.Join(errs...)
}

// unused is nil if an entry is to be deleted, else it says why not.
func (s *Store) unused(name string, used func(Entry) bool) error {
	e, err := s.get(name)
	switch {
	case errors.Is(err, ErrNone) || errors.Is(err, errUnreadable) || errors.Is(err, errOpen): // ErrNone: a lock alone
		return nil
	case err == nil && used(e):
		return ErrUsed
	}
	return err
}

// names are those of entries in files, and of lock files, which tell of those in a keychain.
func (s *Store) names() ([]string, error) {
	files, err := os.ReadDir(s.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		name, isLock := strings.CutSuffix(file.Name(), lockSuffix)
		if !isLock {
			name, _ = strings.CutSuffix(file.Name(), fileSuffix)
		}
		if isName(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// isName is whether it is a key's name, or an account's.
func isName(name string) bool {
	for part := range strings.SplitSeq(name, nameSeparator) {
		if sum, err := hex.DecodeString(part); err != nil || len(sum) != hashSize {
			return false
		}
	}
	return strings.Count(name, nameSeparator) <= 1
}

// ErrUsed is the error about an entry that is not forgotten, because it is in use.
var ErrUsed = errors.New("the entry is in use")

// deleteLocked deletes nothing if unused says why not.
func (s *Store) deleteLocked(ctx context.Context, name string, unused func() error) error {
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return err
	}
	if err = unused(); err == nil {
		err = s.delete(name)
		if err == nil || errors.Is(err, ErrNone) && s.System != nil {
			_ = os.Remove(s.lockFile(name))
		}
	}
	unlock()
	_ = os.Remove(s.Folder) // if it is empty
	return err
}

func (s *Store) delete(name string) error {
	_, err := os.Lstat(s.file(name))
	found := err == nil
	err = s.removeFiles(name)
	if s.System != nil {
		deleted := s.System.Delete(name)
		found = found || deleted == nil
		if deleted != nil && !errors.Is(deleted, ErrNone) {
			err = errors.Join(err, deleted)
		}
	}
	if err == nil && !found {
		return ErrNone
	}
	return err
}

const lockSuffix = ".lock"

func (s *Store) lockFile(name string) string { return filepath.Join(s.Folder, name+lockSuffix) }
