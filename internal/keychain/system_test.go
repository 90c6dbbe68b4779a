package keychain_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"opkssh/internal/keychain"
)

// counting counts the questions to a keychain.
type counting struct {
	*memory
	asked int
}

func (c *counting) Get(name string) (string, error) {
	c.asked++
	return c.memory.Get(name)
}

func (c *counting) Set(name, secret string) error {
	c.asked++
	return c.memory.Set(name, secret)
}

func (c *counting) Delete(name string) error {
	c.asked++
	if c.refuse != nil {
		return c.refuse
	}
	return c.memory.Delete(name)
}

// Each login has a new key and forgets that of the one before. A keychain that fails is asked once, however many logins there were, and what
// had been in it before is the only thing that it is asked about later.
func TestLoginsWithoutAWorkingKeychain(t *testing.T) {
	system := &counting{memory: newMemory()}
	folder := filepath.Join(t.TempDir(), "state")
	put(t, &keychain.Store{Folder: folder, System: system}, "hush", keychain.InKeychain)
	system.refuse = errors.New("no answer")
	for i := range 5 {
		k := another(func(k *keychain.Key) { k.Fingerprint = fmt.Sprint("login ", i) })
		s := &keychain.Store{Folder: folder, System: system}
		system.asked = 0
		unlock, err := s.Lock(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		if place, trouble, err := s.Put(k, keychain.Entry{RefreshToken: "hush"}); place != keychain.InFile || !errors.Is(trouble, system.refuse) || err != nil {
			t.Fatalf("expected a file and %v, got %q, %v, %v", system.refuse, place, trouble, err)
		}
		unlock()
		replaced := func(_ keychain.Entry, owner keychain.Owner) bool { return owner.Is(k) }
		if n, err := s.DeleteUnused(t.Context(), &k.Account, replaced); n != min(i, 1) || err == nil || err.Error() != "no answer" {
			t.Errorf("login %d: expected %d deleted and the error once, got %d, %v", i, min(i, 1), n, err)
		}
		if left := files(t, folder); system.asked != 1 || len(left) != 2 {
			t.Errorf("login %d: expected one question, an entry and what tells of the one in the keychain, got %d, %q", i, system.asked, left)
		}
	}
	// The keychain works again.
	system.refuse = nil
	s := &keychain.Store{Folder: folder, System: system}
	if n, err := s.DeleteUnused(t.Context(), nil, func(keychain.Entry, keychain.Owner) bool { return false }); n != 2 || err != nil {
		t.Errorf("expected two deleted, got %d, %v", n, err)
	}
	if len(system.secrets) != 0 {
		t.Errorf("left in the keychain: %d", len(system.secrets))
	}
	wantNoFolder(t, folder)
}

// A token that was never in the keychain is forgotten without it.
func TestForgetWithoutAWorkingKeychain(t *testing.T) {
	system := &counting{memory: newMemory()}
	system.refuse = errors.New("no answer")
	folder := filepath.Join(t.TempDir(), "state")
	put(t, &keychain.Store{Folder: folder, System: system}, "hush", keychain.InFile)
	system.asked = 0
	s := &keychain.Store{Folder: folder, System: system}
	if err := s.Delete(t.Context(), alice, nobodys); err != nil || system.asked != 0 {
		t.Errorf("expected no question, got %d, %v", system.asked, err)
	}
	wantNoFolder(t, folder)
	if _, err := s.Get(alice); !errors.Is(err, keychain.ErrNone) || system.asked != 0 {
		t.Errorf("expected %v without a question, got %v after %d", keychain.ErrNone, err, system.asked)
	}
}

// A secret that is too large is no reason not to ask a keychain any more: that it replaces is still there.
func TestTooLargeForTheKeychain(t *testing.T) {
	system := &limited{newMemory()}
	s := &keychain.Store{Folder: t.TempDir(), System: system}
	put(t, s, "a", keychain.InKeychain)
	if place, trouble, err := s.Put(alice, keychain.Entry{RefreshToken: "a longer one"}); place != keychain.InFile || !errors.Is(trouble, keychain.ErrTooLarge) || err != nil {
		t.Fatalf("expected a file and %v, got %q, %v, %v", keychain.ErrTooLarge, place, trouble, err)
	}
	if left := files(t, s.Folder); len(system.secrets) != 0 || len(left) != 1 {
		t.Errorf("expected a file alone, got %q and %d in the keychain", left, len(system.secrets))
	}
	put(t, s, "b", keychain.InKeychain)
}

// limited is a keychain for short secrets, as that of Windows.
type limited struct{ *memory }

func (l *limited) Set(name, secret string) error {
	if len(secret) > len(`{"refresh_token":"a"}`) {
		return keychain.ErrTooLarge
	}
	return l.memory.Set(name, secret)
}
