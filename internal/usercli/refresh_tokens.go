package usercli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/keychain"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// keychainPatience is how long a person may take to unlock the keychain.
const keychainPatience = 30 * time.Second

// refreshTokens is where refresh tokens are kept: the keychain, else files below ~/.opk.
func refreshTokens() (*keychain.Store, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	return &keychain.Store{
		Folder: filepath.Join(home, ".opk", "refresh-tokens"),
		System: keychain.Native(os.Getenv, keychainPatience),
	}, nil
}

func accountOf(id userkeys.Identity) keychain.Account {
	return keychain.Account{Issuer: id.Issuer, ClientID: id.ClientID, Subject: id.Subject}
}

func keyOf(id userkeys.Identity) keychain.Key {
	return keychain.Key{Account: accountOf(id), Fingerprint: ssh.FingerprintSHA256(id.Certificate.Key)}
}

// entry is what a login with these settings, in which its flags are, keeps for the next refresh.
func (o *loginOptions) entry(provider login.Provider, token string) keychain.Entry {
	e := keychain.Entry{
		RefreshToken: token, ClientID: provider.ClientID, ClientSecret: provider.ClientSecret,
		Limits:  limits(o.expiresIn, o.agentConfirm, o.agentLifetime),
		AtLogin: limits(lifetime(provider), provider.AgentConfirm, provider.AgentLifetime),

		NoConfirm: o.confirmSaid && !o.agentConfirm, AddToAgent: string(o.addToAgent),
	}
	if len(provider.Aliases) > 0 {
		e.Alias = provider.Aliases[0]
	}
	return e
}

func limits(expiresIn login.Lifetime, confirm bool, agent login.AgentLifetime) keychain.Limits {
	return keychain.Limits{ExpiresIn: time.Duration(expiresIn), AgentConfirm: confirm, AgentLifetime: time.Duration(agent)}
}

// keepRefreshToken keeps what a login gave for the next refresh of the key that cert is for, and forgets those of keys in whose place the
// login wrote. Without it the login is as good, so that trouble is a warning.
func keepRefreshToken(ctx context.Context, t *terminal, provider login.Provider, e keychain.Entry, pair userkeys.Pair, cert *ssh.Certificate) {
	if e.RefreshToken == "" && provider.Refresh {
		t.note("warning: the provider gave no refresh token: the key cannot be renewed without a new login")
	}
	id, err := userkeys.Of(cert)
	var store *keychain.Store
	if err == nil {
		store, err = refreshTokens()
	}
	if err == nil && e.RefreshToken != "" {
		err = lockAndPut(ctx, t, store, keyOf(id), e, pair)
	}
	if err != nil && e.RefreshToken != "" {
		t.note("warning: the refresh token was not kept: %v", err)
	}
	if store == nil {
		return // without a home folder there is none to forget
	}
	if err := forgetReplaced(ctx, store, keyOf(id), pair); err != nil {
		t.note("warning: an older refresh token of this account may not be forgotten: %v", err)
	}
}

func lockAndPut(ctx context.Context, t *terminal, store *keychain.Store, key keychain.Key, e keychain.Entry, pair userkeys.Pair) error {
	unlock, err := store.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return putRefreshToken(t, store, key, e, pair)
}

// adopt is for what an older release has kept for the key in these files, or for none that is known.
func adopt(ctx context.Context, store *keychain.Store, key keychain.Key, pair userkeys.Pair) (keychain.Entry, error) {
	return store.Adopt(ctx, key, func(e keychain.Entry) bool { return isAt(e, pair.Key) || isForNoneKnown(e, key.Account) })
}

// isForNoneKnown is whether what an older release kept for the account can be for a key that somebody names: it does not say where its key is, or
// nothing is there any more, so that the key may have been moved. The account's keys in ~/.ssh would be other ones.
func isForNoneKnown(e keychain.Entry, a keychain.Account) bool {
	return e.KeyFile == "" || isGone(e) && !isInKeyFolder(a)
}

// isGone is whether nothing of ours is where an entry's key was. What cannot be looked at is not gone.
func isGone(e keychain.Entry) bool {
	_, found, err := userkeys.Look(userkeys.At(e.KeyFile))
	return !found && err == nil
}

// isInKeyFolder is whether the account has a key in ~/.ssh, or may have one.
func isInKeyFolder(a keychain.Account) bool {
	folder, err := keyFolder()
	if err != nil {
		return true
	}
	list, err := userkeys.List(folder)
	return err != nil || slices.ContainsFunc(list, func(id userkeys.Identity) bool { return accountOf(id) == a })
}

// putRefreshToken wants the key's lock.
func putRefreshToken(t *terminal, store *keychain.Store, key keychain.Key, e keychain.Entry, pair userkeys.Pair) (err error) {
	if e.KeyFile, err = filepath.Abs(pair.Key); err != nil {
		return err
	}
	place, trouble, err := store.Put(key, e)
	if err != nil {
		return err
	}
	if trouble != nil {
		t.note("warning: the keychain did not take the refresh token, it is in a file below %s: %v", store.Folder, trouble)
	}
	t.detail("the refresh token is kept in a %s", place)
	return nil
}
