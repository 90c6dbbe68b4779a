package usercli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

// entry is what a login keeps for the next refresh: what its flags said, no configuration says.
func (o *loginOptions) entry(provider login.Provider, token string) keychain.Entry {
	return keychain.Entry{
		RefreshToken: token, ClientID: provider.ClientID, ClientSecret: provider.ClientSecret,
		ExpiresIn: time.Duration(o.expiresIn), AgentConfirm: o.agentConfirm, AgentLifetime: time.Duration(o.agentLifetime),
	}
}

// keepRefreshToken keeps what a login gave for the next refresh of the key that cert is for, and forgets that of the key in whose place the
// login wrote. Without it the login is as good, so that trouble is a warning.
func keepRefreshToken(ctx context.Context, t *terminal, provider login.Provider, e keychain.Entry, pair userkeys.Pair, cert *ssh.Certificate) {
	if e.RefreshToken == "" && provider.Refresh {
		t.note("warning: the provider gave no refresh token: the key cannot be renewed without a new login")
	}
	id, err := userkeys.Of(cert)
	if err == nil && e.RefreshToken != "" {
		err = lockAndPut(ctx, t, keyOf(id), e, pair)
	}
	if err != nil {
		t.note("warning: the refresh token was not kept: %v", err)
		return
	}
	if err := forgetReplaced(ctx, keyOf(id), pair); err != nil {
		t.note("warning: the refresh token of the key that was there before was not forgotten: %v", err)
	}
}

func lockAndPut(ctx context.Context, t *terminal, key keychain.Key, e keychain.Entry, pair userkeys.Pair) error {
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	unlock, err := store.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	// The login takes the place of one with an older release.
	if _, err := adopt(ctx, store, key, pair); err != nil && !errors.Is(err, keychain.ErrNone) {
		t.detail("of an older release: %v", err)
	}
	return putRefreshToken(t, store, key, e, pair)
}

// adopt is for what an older release has kept for the key in these files, or did not say for which one.
func adopt(ctx context.Context, store *keychain.Store, key keychain.Key, pair userkeys.Pair) (keychain.Entry, error) {
	return store.Adopt(ctx, key, func(e keychain.Entry) bool { return e.KeyFile == "" || isAt(e, pair.Key) })
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
