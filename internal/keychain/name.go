package keychain

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Account is whom a refresh token speaks for: a subject of an issuer, at one of its clients.
type Account struct {
	Issuer, ClientID, Subject string
}

// name begins the names of the account's entries. Older releases kept one entry for each account, under this name: see isOlder.
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

// isOlder is whether an older release has kept what has this name.
func isOlder(name string) bool { return !strings.Contains(name, nameSeparator) }

// isName is whether it is a key's name, or an account's.
func isName(name string) bool {
	parts := strings.Split(name, nameSeparator)
	return len(parts) <= 2 && !slices.ContainsFunc(parts, func(part string) bool {
		sum, err := hex.DecodeString(part)
		return err != nil || len(sum) != hashSize
	})
}

// Owner is whose an entry is, which the entry does not say by itself.
type Owner struct{ name string }

// Is is whether the entry is the key's own.
func (o Owner) Is(k Key) bool { return o.name == k.name() }

// IsOlder is whether an older release has kept it for the account, and nobody knows for which of its keys.
func (o Owner) IsOlder(a Account) bool { return o.name == a.name() }
