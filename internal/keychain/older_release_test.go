package keychain_test

import (
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
	if _, _, err := s.Put(k, e); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, s.Folder) {
		account, rest, _ := strings.Cut(name, "-")
		suffix := filepath.Ext(rest)
		if suffix == ".keychain" {
			suffix = ".lock"
		}
		if err := os.Rename(filepath.Join(s.Folder, name), filepath.Join(s.Folder, account+suffix)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Folder, account+".lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
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

// It is no key's own. Nobody knows which of the account's keys it is for.
func TestDeleteUnusedOfAnOlderRelease(t *testing.T) {
	s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state")}
	putOlder(t, s, alice, keychain.Entry{RefreshToken: "hush"})
	olderOf := func(a keychain.Account) func(keychain.Entry, keychain.Owner) bool {
		return func(_ keychain.Entry, owner keychain.Owner) bool { return owner.IsOlder(a) }
	}
	own := func(_ keychain.Entry, owner keychain.Owner) bool { return owner.Is(alice) }
	if n, err := s.DeleteUnused(t.Context(), nil, olderOf(alice.Account)); n != 0 || err != nil {
		t.Errorf("expected none deleted, got %d, %v", n, err)
	}
	if n, err := s.DeleteUnused(t.Context(), &bob.Account, own); n != 0 || err != nil {
		t.Errorf("of another account: expected none deleted, got %d, %v", n, err)
	}
	if n, err := s.DeleteUnused(t.Context(), &alice.Account, own); n != 1 || err != nil {
		t.Errorf("of the account: expected one deleted, got %d, %v", n, err)
	}
	if left := files(t, s.Folder); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Its lock file stays while there may be an entry. Where another process, or somebody in a keychain program, was faster, there is none.
func TestOlderReleaseWithoutItsEntry(t *testing.T) {
	for name, ask := range map[string]func(*keychain.Store) error{
		"Adopt": func(s *keychain.Store) error {
			_, err := s.Adopt(t.Context(), alice, func(keychain.Entry) bool { return true })
			return err
		},
		"DeleteOlder": func(s *keychain.Store) error { return s.DeleteOlder(t.Context(), alice.Account, nobodys) },
	} {
		system := newMemory()
		s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state"), System: system}
		putOlder(t, s, alice, keychain.Entry{RefreshToken: "hush"})
		if err := s.DeleteOlder(t.Context(), alice.Account, func(keychain.Entry) bool { return true }); !errors.Is(err, keychain.ErrUsed) {
			t.Errorf("expected %v, got %v", keychain.ErrUsed, err)
		}
		if left := files(t, s.Folder); len(left) != 1 || len(system.secrets) != 1 {
			t.Errorf("expected the entry and its lock file, got %q", left)
		}
		clear(system.secrets)
		for range 2 {
			if err := ask(s); !errors.Is(err, keychain.ErrNone) {
				t.Errorf("%s: expected %v, got %v", name, keychain.ErrNone, err)
			}
			wantNoFolder(t, s.Folder)
		}
	}
}

// An older release left a lock file for each entry, wherever this was. A keychain that fails later keeps nothing of one in a file.
func TestOlderReleaseAndAKeychainThatFails(t *testing.T) {
	broken := newMemory()
	broken.refuse = errors.New("no answer")
	mine := func(keychain.Entry) bool { return true }
	none := func(keychain.Entry, keychain.Owner) bool { return false }
	for _, c := range []struct {
		where       keychain.System
		here        keychain.System
		adopt       error
		deleted     int
		fails, left bool
	}{
		{where: nil, here: broken, deleted: 1},
		{where: newMemory(), here: broken, adopt: broken.refuse, fails: true, left: true},
		{where: newMemory(), here: nil, adopt: keychain.ErrNone, left: true},
	} {
		folder := t.TempDir()
		for _, deletes := range []bool{false, true} {
			putOlder(t, &keychain.Store{Folder: folder, System: c.where}, alice, keychain.Entry{RefreshToken: "hush"})
			s := &keychain.Store{Folder: folder, System: c.here}
			if deletes {
				if n, err := s.DeleteUnused(t.Context(), nil, none); n != c.deleted || (err != nil) != c.fails {
					t.Errorf("%+v: expected %d deleted, a failure %t, got %d, %v", c, c.deleted, c.fails, n, err)
				}
				if left := files(t, folder); (len(left) > 0) != c.left {
					t.Errorf("%+v: left %q", c, left)
				}
				continue
			}
			if _, err := s.Adopt(t.Context(), alice, mine); !errors.Is(err, c.adopt) {
				t.Errorf("%+v: expected %v, got %v", c, c.adopt, err)
			}
			if err := s.Delete(t.Context(), alice, nobodys); c.adopt == nil && err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		}
	}
}
