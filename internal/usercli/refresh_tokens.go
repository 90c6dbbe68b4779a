package usercli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// keepRefreshToken keeps what a login gave for the next refresh of the key that cert is for. Without it the login is as good, so
// that trouble is a warning.
func keepRefreshToken(ctx context.Context, t *terminal, provider login.Provider, pair userkeys.Pair, cert *ssh.Certificate, result *login.Result) {
	if result.RefreshToken == "" {
		if provider.Refresh {
			t.note("warning: the provider gave no refresh token: the key cannot be renewed without a new login")
		}
		return
	}
	if err := lockAndPut(ctx, t, provider, pair, cert, result.RefreshToken); err != nil {
		t.note("warning: the refresh token was not kept: %v", err)
	}
}

func lockAndPut(ctx context.Context, t *terminal, provider login.Provider, pair userkeys.Pair, cert *ssh.Certificate, token string) error {
	id, err := userkeys.Of(cert)
	if err != nil {
		return err
	}
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	unlock, err := store.Lock(ctx, accountOf(id))
	if err != nil {
		return err
	}
	defer unlock()
	return putRefreshToken(t, store, accountOf(id), provider, pair, token)
}

// putRefreshToken wants the account's lock.
func putRefreshToken(t *terminal, store *keychain.Store, a keychain.Account, provider login.Provider, pair userkeys.Pair, token string) error {
	file, err := filepath.Abs(pair.Key)
	if err != nil {
		return err
	}
	place, trouble, err := store.Put(a, keychain.Entry{
		RefreshToken: token, ClientID: provider.ClientID, ClientSecret: provider.ClientSecret, KeyFile: file,
	})
	if err != nil {
		return err
	}
	if trouble != nil {
		t.note("warning: the keychain did not take the refresh token, it is in a file below %s: %v", store.Folder, trouble)
	}
	t.detail("the refresh token is kept in a %s", place)
	return nil
}

// forgetPatience is how long a logout waits for a refresh to end.
const forgetPatience = time.Minute

// forget forgets the refresh tokens of the accounts of some keys, unless a key of the rest can be renewed with them, or one that is seen
// elsewhere, or is in a place that cannot be looked at. It goes on after an error.
func (r *logoutReport) forget(keys, rest []userkeys.Identity) error {
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetPatience)
	defer cancel()
	var errs []error
	for _, id := range keys {
		if slices.ContainsFunc(rest, id.Same) {
			continue
		}
		account := accountOf(id)
		elsewhere := func(e keychain.Entry) bool {
			if e.KeyFile == "" || slices.ContainsFunc(keys, func(id userkeys.Identity) bool { return isAt(e, id.Pair.Key) }) {
				return false // even if its files could not be removed
			}
			there, err := hasKey(e, func(a keychain.Account) bool { return a == account })
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				r.keepUnseen(e)
				return true
			}
			return there
		}
		switch err := store.Delete(ctx, account, elsewhere); {
		case err == nil:
			r.Forgotten = append(r.Forgotten, id.Account()+" at "+id.Issuer)
		case !errors.Is(err, keychain.ErrNone) && !errors.Is(err, keychain.ErrUsed):
			errs = append(errs, fmt.Errorf("the refresh token of %s was not forgotten: %w", id.Account(), err))
		}
	}
	return errors.Join(errs...)
}

// forgetOthers forgets the refresh tokens that no key is there for any more: another account's login has replaced it, or somebody removed
// it, or an earlier logout could not forget its token. With file those that were kept for the key in this file, wherever it is now.
func (r *logoutReport) forgetOthers(file string) error {
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetPatience)
	defer cancel()
	r.ForgottenOthers, err = store.DeleteUnused(ctx, func(e keychain.Entry, is func(keychain.Account) bool) bool {
		if file != "" {
			return !isAt(e, file)
		}
		if e.KeyFile == "" { // one of an older release does not say where its key is
			return true
		}
		there, err := hasKey(e, is)
		if err != nil { // also where its folder is not there, which may be on a medium that is away
			r.keepUnseen(e)
			return true
		}
		return there
	})
	if err != nil {
		return fmt.Errorf("refresh tokens whose keys are gone were not forgotten: %w", err)
	}
	return nil
}

// isAt is whether an entry was kept for the key in this file.
func isAt(e keychain.Entry, file string) bool {
	file, err := filepath.Abs(file)
	return err == nil && file == e.KeyFile
}

// hasKey is whether the key that an entry was kept for is there and still the account's. The error is why it cannot be seen; it is
// [fs.ErrNotExist] if its folder is not there.
func hasKey(e keychain.Entry, is func(keychain.Account) bool) (bool, error) {
	if _, err := os.Stat(filepath.Dir(e.KeyFile)); err != nil {
		return false, err
	}
	id, found, err := userkeys.Look(userkeys.At(e.KeyFile))
	return found && is(accountOf(id)), err
}

// keepUnseen notes that an entry stays although its key was not seen.
func (r *logoutReport) keepUnseen(e keychain.Entry) {
	if !slices.Contains(r.Unseen, e.KeyFile) {
		r.Unseen = append(r.Unseen, e.KeyFile)
	}
}
