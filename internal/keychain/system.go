package keychain

import (
	"errors"
	"os"
	"path/filepath"
)

// System is an operating system's keychain. Get gives [ErrNone] for what is not there, and Delete does too. Set gives [ErrTooLarge] for
// what it has no room for.
type System interface {
	Get(name string) (string, error)
	Set(name, secret string) error
	Delete(name string) error
}

// ErrTooLarge says that a keychain works, and does not take a secret of this size.
var ErrTooLarge = errors.New("too large for the keychain")

// ask asks the keychain, until it fails: a person who has not unlocked it once is not waited for again.
func (s *Store) ask(question func(System) error) error {
	if s.failed != nil {
		return s.failed
	}
	err := question(s.System)
	if err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrTooLarge) {
		s.failed = err
	}
	return err
}

// mark is the name of a file that tells of an entry which is in a keychain, or may be: a keychain is asked about what is marked alone, and
// where it is not here or does not answer, the mark stays for the next time. Older releases left their lock files behind for this.
func (s *Store) mark(name string) string {
	if isOlder(name) {
		return s.lockFile(name)
	}
	return filepath.Join(s.Folder, name+markSuffix)
}

const markSuffix = ".keychain"

// mayBeInKeychain is whether the keychain that is here is to be asked.
func (s *Store) mayBeInKeychain(name string) bool { return s.System != nil && exists(s.mark(name)) }

// MayBeAway is whether a key's entry is in a keychain that is not here, or may be: of a session on the desktop, for one over ssh.
func (s *Store) MayBeAway(k Key) bool { return s.System == nil && exists(s.mark(k.name())) }

// putInKeychain marks the entry first, so that a crash leaves nothing that nobody knows of. trouble is why the keychain does not take it.
func (s *Store) putInKeychain(name, secret string) (trouble, err error) {
	if s.failed != nil {
		return s.failed, nil
	}
	mark := s.mark(name)
	marked := exists(mark)
	if err := errors.Join(os.MkdirAll(s.Folder, 0o700), os.WriteFile(mark, nil, 0o600)); err != nil {
		return nil, err
	}
	trouble = s.ask(func(k System) error { return k.Set(name, secret) })
	if trouble != nil && !marked {
		err = removeFile(mark)
	}
	return trouble, err
}

func (s *Store) readKeychain(name string) ([]byte, error) {
	if !s.mayBeInKeychain(name) {
		return nil, ErrNone
	}
	var secret string
	err := s.ask(func(k System) (err error) {
		secret, err = k.Get(name)
		return err
	})
	return []byte(secret), err
}

// deleteFromKeychain wants the lock. The error is [ErrNone] if nothing is there.
func (s *Store) deleteFromKeychain(name string) error {
	if !s.mayBeInKeychain(name) {
		return ErrNone
	}
	err := s.ask(func(k System) error { return k.Delete(name) })
	if (err == nil || errors.Is(err, ErrNone)) && !isOlder(name) { // whoever has an older lock removes it
		err = errors.Join(err, removeFile(s.mark(name)))
	}
	return err
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}
