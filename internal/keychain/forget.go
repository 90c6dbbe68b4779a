package keychain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// ErrUsed is the error about an entry that is not forgotten, because it is in use.
var ErrUsed = errors.New("the entry is in use")

// Delete forgets a key's entry, wherever it is. The error is [ErrNone] if there is none, and [ErrUsed] if used
// vouches for it. An entry that used cannot be asked about stays. The caller has no lock of the key.
func (s *Store) Delete(ctx context.Context, k Key, used func(e Entry) bool) error {
	if _, err := os.Lstat(s.Folder); errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	return s.deleteLocked(ctx, k.name(), used)
}

// DeleteUnused forgets the entries of an account, nil for all, that used does not vouch for, and says how many. Nonsense is of no use; an
// entry that cannot be had, as in a keychain that is locked, stays. It goes on after an error, until ctx ends.
func (s *Store) DeleteUnused(ctx context.Context, of *Account, used func(Entry, Owner) bool) (deleted int, err error) {
	names, err := s.names()
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, name := range names {
		if account, _, _ := strings.Cut(name, nameSeparator); of != nil && of.name() != account {
			continue
		}
		if ctx.Err() != nil {
			return deleted, errors.Join(append(errs, context.Cause(ctx))...)
		}
		if !s.mayBeHere(name) {
			s.sweep(name)
			continue
		}
		inUse := func(e Entry) bool { return used(e, Owner{name}) }
		err := s.unused(name, inUse) // before the lock: what is in use may be so for long
		if err == nil {
			err = s.deleteLocked(ctx, name, inUse)
		}
		told := errors.Is(err, ErrNone) || errors.Is(err, ErrUsed) ||
			slices.ContainsFunc(errs, func(before error) bool { return errors.Is(err, before) })
		switch {
		case err == nil:
			deleted++
		case !told:
			errs = append(errs, err)
		}
	}
	return deleted, errors.Join(errs...)
}

// mayBeHere is whether there is a place to look for an entry.
func (s *Store) mayBeHere(name string) bool { return exists(s.file(name)) || s.mayBeInKeychain(name) }

// sweep removes what a process has left which was killed, unless another one has the lock. That of an older release may tell of an entry in
// a keychain that is not here.
func (s *Store) sweep(name string) {
	if isOlder(name) {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if l, err := s.lock(now, name); err == nil {
		_ = removeFile(s.file(name) + newSuffix)
		l.unlock()
	}
}

// unused is nil if an entry is to be deleted, else it says why not.
func (s *Store) unused(name string, used func(Entry) bool) error {
	e, err := s.get(name)
	switch {
	case errors.Is(err, ErrNone) || errors.Is(err, errUnreadable) || errors.Is(err, errOpen): // ErrNone: a mark alone
		return nil
	case err == nil && used(e):
		return ErrUsed
	}
	return err
}

// names are those that the files in the folder tell of.
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
		name, _, _ := strings.Cut(file.Name(), ".")
		if isName(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// deleteLocked deletes nothing that used vouches for.
func (s *Store) deleteLocked(ctx context.Context, name string, used func(Entry) bool) error {
	l, err := s.lock(ctx, name)
	if err != nil {
		return err
	}
	defer l.unlock()
	if err := s.unused(name, used); err != nil {
		return err
	}
	err = s.delete(name)
	l.keep = l.keep && err != nil && !errors.Is(err, ErrNone)
	return err
}

// delete wants the lock.
func (s *Store) delete(name string) error {
	inFile := exists(s.file(name))
	if err := s.removeFiles(name); err != nil {
		return err
	}
	err := s.deleteFromKeychain(name)
	// An older release left a lock file beside a file, too. Its entry went there because the keychain did not take it.
	if inFile && (errors.Is(err, ErrNone) || isOlder(name)) {
		return nil
	}
	return err
}
