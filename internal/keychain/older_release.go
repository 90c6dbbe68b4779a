package keychain

import (
	"context"
	"errors"
)

// Adopt makes the entry that an older release kept for the account the key's, if mine says that it is. The caller has the key's lock. The
// error is [ErrNone] if there is none.
func (s *Store) Adopt(ctx context.Context, k Key, mine func(Entry) bool) (Entry, error) {
	older := k.Account.name()
	if !s.mayBeHere(older) {
		return Entry{}, ErrNone
	}
	l, err := s.lock(ctx, older)
	if err != nil {
		return Entry{}, err
	}
	defer l.unlock()
	e, err := s.get(older)
	if err != nil {
		l.keep = !errors.Is(err, ErrNone)
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
	l.keep = false
	return e, nil
}

// DeleteOlder is [Store.Delete] for the entry that an older release kept for the account.
func (s *Store) DeleteOlder(ctx context.Context, a Account, used func(Entry) bool) error {
	if !s.mayBeHere(a.name()) {
		return ErrNone
	}
	return s.deleteLocked(ctx, a.name(), used)
}
