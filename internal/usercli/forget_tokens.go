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

// forgetReplaced forgets the refresh tokens of the account's keys in whose place a login has written key. That of the key which is there now
// stays, and is another one if another login was at the same file and faster in the end. One of an older release that does not say where its
// key is goes with them, as each login replaced it there.
func forgetReplaced(ctx context.Context, store *keychain.Store, key keychain.Key, pair userkeys.Pair) error {
	ctx, cancel := context.WithTimeout(ctx, forgetPatience)
	defer cancel()
	_, err := store.DeleteUnused(ctx, &key.Account, func(e keychain.Entry, owner keychain.Owner) bool {
		if isAt(e, pair.Key) {
			now, found, err := userkeys.Look(pair)
			return err != nil || found && owner.Is(keyOf(now))
		}
		return owner.Is(key) || e.KeyFile != "" || !owner.IsOlder(key.Account)
	})
	return err
}

// forget forgets the refresh tokens of some keys, and without -i those of accounts that have no key among the rest. Then, without an alias,
// it forgets those that no key is there for any more: another account's login has replaced it, or somebody removed it, or an earlier
// logout could not forget its token. With -i these are those that were kept for the file, wherever their keys are now. It goes on after an
// error.
func (r *logoutReport) forget(tokens func() (*keychain.Store, error), s keySelection, keys, rest []userkeys.Identity) error {
	store, err := tokens()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetPatience)
	defer cancel()
	var errs []error
	for _, id := range keys {
		key := keyOf(id)
		err := store.Delete(ctx, key, func(e keychain.Entry) bool { return r.isElsewhere(e, id.SameKey, keys) })
		errs = r.forgot(errs, id, err == nil, err)
		if away := id.Account() + " at " + id.Issuer; store.MayBeAway(key) && !slices.Contains(r.Away, away) {
			r.Away = append(r.Away, away)
		}
		err = store.DeleteOlder(ctx, key.Account, func(e keychain.Entry) bool {
			return !isAt(e, id.Pair.Key) && (s.file == "" || !isForNoneKnown(e, key.Account))
		})
		errs = r.forgot(errs, id, err == nil, err)
		if s.file == "" && !slices.ContainsFunc(rest, id.Same) {
			n, err := store.DeleteUnused(ctx, &key.Account, func(e keychain.Entry, owner keychain.Owner) bool {
				return r.isElsewhere(e, ownedBy(owner), keys)
			})
			errs = r.forgot(errs, id, n > 0, err)
		}
	}
	others := r.mayBeThere
	switch {
	case s.file != "":
		others = func(e keychain.Entry, _ keychain.Owner) bool { return !isAt(e, s.file) }
	case s.alias != "":
		return errors.Join(errs...)
	}
	n, err := store.DeleteUnused(ctx, nil, others)
	r.ForgottenOthers += n
	if err != nil {
		errs = append(errs, fmt.Errorf("refresh tokens whose keys are gone were not forgotten: %w", err))
	}
	return errors.Join(errs...)
}

// ownedBy is whether the entry is for a key. Of an older release, it is for each key of the account.
func ownedBy(owner keychain.Owner) func(userkeys.Identity) bool {
	return func(id userkeys.Identity) bool { return owner.Is(keyOf(id)) || owner.IsOlder(accountOf(id)) }
}

// forgot notes what became of a key's refresh token, or of those of its account. The same error counts once.
func (r *logoutReport) forgot(errs []error, id userkeys.Identity, done bool, err error) []error {
	if account := id.Account() + " at " + id.Issuer; done && !slices.Contains(r.Forgotten, account) {
		r.Forgotten = append(r.Forgotten, account)
	}
	if err == nil || errors.Is(err, keychain.ErrNone) || errors.Is(err, keychain.ErrUsed) {
		return errs
	}
	err = fmt.Errorf("the refresh token of %s was not forgotten: %w", id.Account(), err)
	if slices.ContainsFunc(errs, func(before error) bool { return before.Error() == err.Error() }) {
		return errs
	}
	return append(errs, err)
}

// isElsewhere is whether an entry's key is none of those that are logged out: it is seen, or is in a place that cannot be looked at.
func (r *logoutReport) isElsewhere(e keychain.Entry, is func(userkeys.Identity) bool, loggedOut []userkeys.Identity) bool {
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
func (r *logoutReport) mayBeThere(e keychain.Entry, owner keychain.Owner) bool {
	if e.KeyFile == "" {
		return true
	}
	there, err := hasKey(e, ownedBy(owner))
	if err != nil {
		r.keepUnseen(e)
		return true
	}
	return there
}

// isAt is whether an entry was kept for the key in this file, which need not be there any more. Its folder may have several names.
func isAt(e keychain.Entry, file string) bool {
	file, err := filepath.Abs(file)
	if err != nil || e.KeyFile == "" || filepath.Base(file) != filepath.Base(e.KeyFile) {
		return false
	}
	if file == e.KeyFile {
		return true
	}
	folder, err := os.Stat(filepath.Dir(file))
	if err != nil {
		return false
	}
	kept, err := os.Stat(filepath.Dir(e.KeyFile))
	return err == nil && os.SameFile(folder, kept)
}

// hasKey is whether the key that an entry was kept for is there. The error is why it cannot be seen; it is [fs.ErrNotExist] if its folder is
// not there.
func hasKey(e keychain.Entry, is func(userkeys.Identity) bool) (bool, error) {
	if _, err := os.Stat(filepath.Dir(e.KeyFile)); err != nil {
		return false, err
	}
	id, found, err := userkeys.Look(userkeys.At(e.KeyFile))
	return found && is(id), err
}

// keepUnseen notes that an entry stays although its key was not seen.
func (r *logoutReport) keepUnseen(e keychain.Entry) {
	if !slices.Contains(r.Unseen, e.KeyFile) {
		r.Unseen = append(r.Unseen, e.KeyFile)
	}
}
