// Package keychain keeps refresh tokens between one use and the next: in the operating system's keychain, and where there is
// none in files that nobody but the person can read.
//
// A refresh token gives new ID tokens until the provider forgets it, so that it is worth more than the key that it renews. It
// is never in an argument list, an environment, an error or a log.
package keychain

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrNone says that nothing is kept for a key.
var ErrNone = errors.New("no refresh token is kept for this key")

// Entry is what is kept for a key.
type Entry struct {
	RefreshToken string `json:"refresh_token"`
	// ClientID is the client that has logged in, which an ID token for several need not say. Older releases kept none.
	ClientID string `json:"client_id,omitempty"`
	// ClientSecret is the one that the login was made with, for a provider that no configuration file names.
	ClientSecret string `json:"client_secret,omitempty"`
	// KeyFile is the private key that it renews, an absolute path.
	KeyFile string `json:"key_file,omitempty"`
	// Alias is the provider's, in the configuration of the login.
	Alias string `json:"alias,omitempty"`
	// Limits are what the login's flags said, which no configuration knows. NoConfirm is that the agent is not to ask, whatever that says.
	Limits
	NoConfirm  bool   `json:"no_agent_confirm,omitempty"`
	AddToAgent string `json:"add_to_agent,omitempty"` // said by a flag, too
	// AtLogin is what counted at the login, by flags and configuration. Older releases kept nothing of it.
	AtLogin Limits `json:"at_login,omitzero"`
}

// Limits are how long certificates last, and how an agent keeps the key. Zero is none.
type Limits struct {
	ExpiresIn     time.Duration `json:"expires_in,omitempty"`
	AgentConfirm  bool          `json:"agent_confirm,omitempty"`
	AgentLifetime time.Duration `json:"agent_lifetime,omitempty"`
}

// Store keeps entries. It is for one command of one process: when the keychain has failed, it is not asked again.
type Store struct {
	// Folder is where secrets are for which there is no keychain, and empty files that tell of those in one. It is made, with mode 0700, and
	// removed when nothing is in it.
	Folder string
	// System is nil where there is no keychain: see [Native].
	System System
	failed error
}

// Place says where an entry is kept.
type Place string

// The places.
const (
	InKeychain Place = "keychain"
	InFile     Place = "file"
)

// Put keeps an entry in the place of an older one. The caller has the key's lock. A keychain that does not take it, because it
// is locked, or the entry too large for it, is why it goes to a file: trouble says so, and is nil without a keychain too.
func (s *Store) Put(k Key, e Entry) (place Place, trouble, err error) {
	data, err := json.Marshal(e) //nolint:gosec // a keychain is for secrets
	if err != nil {
		return "", nil, err
	}
	name := k.name()
	if s.System != nil {
		if trouble, err = s.putInKeychain(name, string(data)); err != nil {
			return "", trouble, err
		}
		if trouble == nil {
			// An older one in a file would not be the newest any more.
			return InKeychain, nil, s.removeFiles(name)
		}
	}
	if err := s.writeFile(name, data); err != nil {
		return "", trouble, err
	}
	// get looks at the file first, so that an old one that stays in the keychain does no harm.
	_ = s.deleteFromKeychain(name)
	return InFile, trouble, nil
}

// Get finds a key's entry. The error is [ErrNone] if there is none.
func (s *Store) Get(k Key) (Entry, error) { return s.get(k.name()) }

func (s *Store) get(name string) (Entry, error) {
	data, err := readFile(s.file(name))
	if errors.Is(err, ErrNone) {
		data, err = s.readKeychain(name)
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
