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

	"opkssh/internal/keychain"
	"opkssh/internal/userkeys"
)

// forgetPatience is how long to wait for a refresh to end.
const forgetPatience = time.Minute

// forgetReplaced forgets the refresh token of the account's key in whose place a login has written key.
func forgetReplaced(ctx context.Context, key keychain.Key, pair userkeys.Pair) error {
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, forgetPatience)
	defer cancel()
	_, err = store.DeleteUnused(ctx, &key.Account, func(e keychain.Entry, is func(keychain.Key) bool) bool {
		return is(key) || !isAt(e, pair.Key)
	})
	return err
}

// forget forgets the refresh tokens of some keys, and without -i those of accounts that have no key among the rest. Then, without an alias,
// it forgets those that no key is there for any more: another account's login has replaced it, or somebody removed it, or an earlier
// logout could not forget its token. With -i these are those that were kept for the file, wherever their keys are now. It goes on after an
// error.
func (r *logoutReport) forget(s keySelection, keys, rest []userkeys.Identity) error {
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetPatience)
	defer cancel()
	needed := func(e keychain.Entry, is func(keychain.Key) bool) bool { return r.isElsewhere(e, is, keys) }
	var errs []error
	for _, id := range keys {
		is := func(k keychain.Key) bool { return k == keyOf(id) }
		err := store.Delete(ctx, keyOf(id), func(e keychain.Entry) bool { return needed(e, is) })
		errs = append(errs, r.forgot(id, err == nil, err))
		if s.file == "" && !slices.ContainsFunc(rest, id.Same) {
			account := accountOf(id)
			n, err := store.DeleteUnused(ctx, &account, needed)
			errs = append(errs, r.forgot(id, n > 0, err))
		}
	}
	others := r.mayBeThere
	switch {
	case s.file != "":
		others = func(e keychain.Entry, is func(keychain.Key) bool) bool {
			ofKey := e.KeyFile == "" && slices.ContainsFunc(keys, func(id userkeys.Identity) bool { return is(keyOf(id)) })
			return !isAt(e, s.file) && !ofKey
		}
	case s.alias != "":
		return errors.Join(errs...)
	}
	if r.ForgottenOthers, err = store.DeleteUnused(ctx, nil, others); err != nil {
		errs = append(errs, fmt.Errorf("refresh tokens whose keys are gone were not forgotten: %w", err))
	}
	return errors.Join(errs...)
}

// forgot notes what became of a key's refresh token, or of those of its account.
func (r *logoutReport) forgot(id userkeys.Identity, done bool, err error) error {
	if account := id.Account() + " at " + id.Issuer; done && !slices.Contains(r.Forgotten, account) {
		r.Forgotten = append(r.Forgotten, account)
	}
	if err == nil || errors.Is(err, keychain.ErrNone) || errors.Is(err, keychain.ErrUsed) {
		return nil
	}
	return fmt.Errorf("the refresh token of %s was not forgotten: %w", id.Account(), err)
}

// isElsewhere is whether an entry's key is none of those that are logged out: it is seen, or is in a place that cannot be looked at.
func (r *logoutReport) isElsewhere(e keychain.Entry, is func(keychain.Key) bool, loggedOut []userkeys.Identity) bool {
	if e.KeyFile == "" || slices.ContainsFunc(loggedOut, func(id userkeys.Identity) bool { return isAt(e, id.Pair.Key) }) {
		return false // even if its files could not be removed
	}
	there, err := hasKey(e, is)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.keepUnseen(e)
		return true
	}
	return there
}

// mayBeThere is whether an entry's key is not known to be gone. Its folder may be on a medium that is away, and what an older release
// kept does not say where its key is.
func (r *logoutReport) mayBeThere(e keychain.Entry, is func(keychain.Key) bool) bool {
	if e.KeyFile == "" {
		return true
	}
	there, err := hasKey(e, is)
	if err != nil {
		r.keepUnseen(e)
		return true
	}
	return there
}

// isAt is whether an entry was kept for the key in this file.
func isAt(e keychain.Entry, file string) bool {
	file, err := filepath.Abs(file)
	return err == nil && file == e.KeyFile
}

// hasKey is whether the key that an entry was kept for is there. The error is why it cannot be seen; it is [fs.ErrNotExist] if its folder is
// not there.
func hasKey(e keychain.Entry, is func(keychain.Key) bool) (bool, error) {
	if _, err := os.Stat(filepath.Dir(e.KeyFile)); err != nil {
		return false, err
	}
	id, found, err := userkeys.Look(userkeys.At(e.KeyFile))
	return found && is(keyOf(id)), err
}

// keepUnseen notes that an entry stays although its key was not seen.
func (r *logoutReport) keepUnseen(e keychain.Entry) {
	if !slices.Contains(r.Unseen, e.KeyFile) {
		r.Unseen = append(r.Unseen, e.KeyFile)
	}
}
