package keychain_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"opkssh/internal/keychain"
)

// putOlder leaves an entry and its lock as older releases did, which kept one for each account.
func putOlder(t *testing.T, s *keychain.Store, k keychain.Key, e keychain.Entry) {
	t.Helper()
	unlock, err := s.Lock(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Put(k, e); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, s.Folder) {
		account, rest, _ := strings.Cut(name, "-")
		if err := os.Rename(filepath.Join(s.Folder, name), filepath.Join(s.Folder, account+filepath.Ext(rest))); err != nil {
			t.Fatal(err)
		}
	}
	unlock()
	if system, ok := s.System.(*memory); ok {
		for name, secret := range maps.Clone(system.secrets) {
			account, _, _ := strings.Cut(name, "-")
			delete(system.secrets, name)
			system.secrets[account] = secret
		}
	}
}

func TestAdopt(t *testing.T) {
	for name, system := range map[string]keychain.System{"keychain": newMemory(), "file": nil} {
		t.Run(name, func(t *testing.T) {
			s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state"), System: system}
			here := func(e keychain.Entry) bool { return e.KeyFile == "/alice" }
			if _, err := s.Adopt(t.Context(), alice, here); !errors.Is(err, keychain.ErrNone) {
				t.Fatalf("without one: expected %v, got %v", keychain.ErrNone, err)
			}
			entry := keychain.Entry{RefreshToken: "hush", KeyFile: "/alice"}
			putOlder(t, s, alice, entry)
			for name, refuse := range map[string]func() error{
				"another key's": func() error {
					_, err := s.Adopt(t.Context(), alice, func(keychain.Entry) bool { return false })
					return err
				},
				"another account's": func() error { _, err := s.Adopt(t.Context(), bob, here); return err },
				"not adopted":       func() error { _, err := s.Get(alice); return err },
			} {
				if err := refuse(); !errors.Is(err, keychain.ErrNone) {
					t.Errorf("%s: expected %v, got %v", name, keychain.ErrNone, err)
				}
			}
			if got, err := s.Adopt(t.Context(), alice, here); err != nil || got != entry {
				t.Fatalf("expected %+v, got %+v, %v", entry, got, err)
			}
			wantToken(t, s, "hush")
			if _, err := s.Adopt(t.Context(), alicesOther, here); !errors.Is(err, keychain.ErrNone) {
				t.Errorf("again: expected %v, got %v", keychain.ErrNone, err)
			}
			if err := s.Delete(t.Context(), alice, nobodys); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(s.Folder); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left behind: %v", files(t, s.Folder))
			}
		})
	}
}

// Nobody knows which of the account's keys it is for.
func TestDeleteUnusedOfAnOlderRelease(t *testing.T) {
	s := &keychain.Store{Folder: t.TempDir()}
	putOlder(t, s, alice, keychain.Entry{RefreshToken: "hush"})
	of := func(k keychain.Key) func(keychain.Entry, func(keychain.Key) bool) bool {
		return func(_ keychain.Entry, is func(keychain.Key) bool) bool { return is(k) }
	}
	for _, k := range []keychain.Key{alice, alicesOther} {
		if n, err := s.DeleteUnused(t.Context(), nil, of(k)); n != 0 || err != nil {
			t.Errorf("%v: expected none deleted, got %d, %v", k, n, err)
		}
	}
	if n, err := s.DeleteUnused(t.Context(), &bob.Account, of(bob)); n != 0 || err != nil {
		t.Errorf("of another account: expected none deleted, got %d, %v", n, err)
	}
	if n, err := s.DeleteUnused(t.Context(), &alice.Account, of(bob)); n != 1 || err != nil {
		t.Errorf("of the account: expected one deleted, got %d, %v", n, err)
	}
}

// A key without a refresh token leaves no lock behind, where no keychain can have one.
func TestLockLeavesNothing(t *testing.T) {
	for _, system := range []keychain.System{nil, newMemory()} {
		s := &keychain.Store{Folder: t.TempDir(), System: system}
		unlock, err := s.Lock(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Lock(ctx, alice); !errors.Is(err, context.Canceled) {
			t.Errorf("a second one: expected %v, got %v", context.Canceled, err)
		}
		unlock()
		if left := files(t, s.Folder); (len(left) > 0) != (system != nil) && runtime.GOOS != "windows" {
			t.Errorf("with a keychain %t: left %q", system != nil, left)
		}
	}
}
