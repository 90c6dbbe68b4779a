package keychain_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"opkssh/internal/keychain"
)

var alice = keychain.Key{
	Account:     keychain.Account{Issuer: "https://op.example.com", ClientID: "opkssh", Subject: "alice"},
	Fingerprint: "SHA256:first",
}

// another is somebody else's key, or another one of alice.
func another(change func(*keychain.Key)) keychain.Key {
	k := alice
	change(&k)
	return k
}

var (
	bob         = another(func(k *keychain.Key) { k.Subject = "bob" })
	alicesOther = another(func(k *keychain.Key) { k.Fingerprint = "SHA256:second" })
)

// memory is a keychain that holds what it is given, or refuses.
type memory struct {
	secrets map[string]string
	refuse  error
}

func newMemory() *memory { return &memory{secrets: map[string]string{}} }

func (m *memory) Get(name string) (string, error) {
	if secret, ok := m.secrets[name]; ok || m.refuse != nil {
		return secret, m.refuse
	}
	return "", keychain.ErrNone
}

func (m *memory) Set(name, secret string) error {
	if m.refuse == nil {
		m.secrets[name] = secret
	}
	return m.refuse
}

func (m *memory) Delete(name string) error {
	if _, ok := m.secrets[name]; !ok {
		return keychain.ErrNone
	}
	delete(m.secrets, name)
	return m.refuse
}

func put(t *testing.T, s *keychain.Store, token string, want keychain.Place) {
	t.Helper()
	if place, _, err := s.Put(alice, keychain.Entry{RefreshToken: token}); err != nil || place != want {
		t.Fatalf("expected to be kept in %s, got %q, %v", want, place, err)
	}
}

func wantToken(t *testing.T, s *keychain.Store, want string) {
	t.Helper()
	if e, err := s.Get(alice); err != nil || e.RefreshToken != want {
		t.Fatalf("expected %q, got %q, %v", want, e.RefreshToken, err)
	}
}

func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestKeepAndForget(t *testing.T) {
	for name, system := range map[string]keychain.System{"keychain": newMemory(), "file": nil} {
		t.Run(name, func(t *testing.T) {
			s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state"), System: system}
			if _, err := s.Get(alice); !errors.Is(err, keychain.ErrNone) {
				t.Fatalf("expected %v, got %v", keychain.ErrNone, err)
			}
			if err := s.Delete(t.Context(), alice, nobodys); !errors.Is(err, keychain.ErrNone) {
				t.Fatalf("expected %v, got %v", keychain.ErrNone, err)
			}
			put(t, s, "first", keychain.Place(name))
			put(t, s, "second", keychain.Place(name))
			wantToken(t, s, "second")
			for _, other := range []keychain.Key{
				bob, alicesOther,
				another(func(k *keychain.Key) { k.ClientID = "other" }),
				another(func(k *keychain.Key) { k.Issuer = "https://op.example.org" }),
			} {
				if _, err := s.Get(other); !errors.Is(err, keychain.ErrNone) {
					t.Errorf("%v: expected %v, got %v", other, keychain.ErrNone, err)
				}
			}
			unlock, err := s.Lock(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			unlock()
			if err := s.Delete(t.Context(), alice, nobodys); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(alice); !errors.Is(err, keychain.ErrNone) {
				t.Fatalf("expected %v, got %v", keychain.ErrNone, err)
			}
			if _, err := os.Stat(s.Folder); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left behind: %v", files(t, s.Folder))
			}
		})
	}
}

func TestDeleteUnused(t *testing.T) {
	for name, system := range map[string]*memory{"keychain": newMemory(), "file": nil} {
		t.Run(name, func(t *testing.T) {
			s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state")}
			if system != nil {
				s.System = system
			}
			used := func(e keychain.Entry, owner keychain.Owner) bool { return owner.Is(alice) && e.KeyFile == "/alice" }
			if n, err := s.DeleteUnused(t.Context(), nil, used); n != 0 || err != nil {
				t.Fatalf("without entries: got %d, %v", n, err)
			}
			for _, k := range []keychain.Key{alice, alicesOther, bob} {
				unlock, err := s.Lock(t.Context(), k)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := s.Put(k, keychain.Entry{RefreshToken: k.Subject, KeyFile: "/alice"}); err != nil {
					t.Fatal(err)
				}
				unlock()
			}
			if err := os.WriteFile(filepath.Join(s.Folder, "notes"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if system != nil {
				system.refuse = errors.New("locked")
				locked := &keychain.Store{Folder: s.Folder, System: system}
				if n, err := locked.DeleteUnused(t.Context(), nil, used); n != 0 || err == nil || err.Error() != "locked" {
					t.Fatalf("locked: expected the error once, got %d, %v", n, err)
				}
				system.refuse = nil
			}
			for _, c := range []struct {
				of      *keychain.Account
				deleted int
				gone    keychain.Key
			}{{&alice.Account, 1, alicesOther}, {&alice.Account, 0, alicesOther}, {nil, 1, bob}} {
				if n, err := s.DeleteUnused(t.Context(), c.of, used); n != c.deleted || err != nil {
					t.Fatalf("of %v: expected %d, got %d, %v", c.of, c.deleted, n, err)
				}
				if _, err := s.Get(c.gone); !errors.Is(err, keychain.ErrNone) {
					t.Errorf("%v: expected %v, got %v", c.gone, keychain.ErrNone, err)
				}
			}
			wantToken(t, s, "alice")
			if names := files(t, s.Folder); !slices.Contains(names, "notes") {
				t.Errorf("somebody else's file is gone: %v", names)
			}
		})
	}
}

// locked is a keychain that somebody unlocks at the second question, that of Delete.
type locked struct{ *memory }

func (l locked) Get(string) (string, error) { return "", errors.New("locked") }

// An entry that cannot be read may be in use.
func TestDeleteAsksFirst(t *testing.T) {
	system := newMemory()
	s := &keychain.Store{Folder: t.TempDir(), System: system}
	put(t, s, "hush", keychain.InKeychain)
	used := func(keychain.Entry) bool { return true }
	shut := &keychain.Store{Folder: s.Folder, System: locked{system}}
	if err := shut.Delete(t.Context(), alice, used); err == nil || errors.Is(err, keychain.ErrNone) {
		t.Errorf("locked: got %v", err)
	}
	wantToken(t, s, "hush")
	if err := s.Delete(t.Context(), alice, used); !errors.Is(err, keychain.ErrUsed) {
		t.Errorf("expected %v, got %v", keychain.ErrUsed, err)
	}
	for name := range system.secrets {
		system.secrets[name] = "nonsense"
	}
	if err := s.Delete(t.Context(), alice, used); err != nil || len(system.secrets) != 0 {
		t.Errorf("nonsense: got %v, left %d", err, len(system.secrets))
	}
}

// Where there is no keychain, nobody knows what is in it: the lock, by which it is found later, stays.
func TestNoKeychainHere(t *testing.T) {
	system := newMemory()
	folder := t.TempDir()
	there, here := &keychain.Store{Folder: folder, System: system}, &keychain.Store{Folder: folder}
	unlock, err := there.Lock(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	put(t, there, "hush", keychain.InKeychain)
	unlock()
	unused := func(keychain.Entry, keychain.Owner) bool { return false }
	if err := here.Delete(t.Context(), alice, nobodys); !errors.Is(err, keychain.ErrNone) {
		t.Errorf("expected %v, got %v", keychain.ErrNone, err)
	}
	if n, err := here.DeleteUnused(t.Context(), nil, unused); n != 0 || err != nil {
		t.Errorf("without a keychain: expected none deleted, got %d, %v", n, err)
	}
	before := files(t, folder)
	if err := here.Delete(t.Context(), bob, nobodys); !errors.Is(err, keychain.ErrNone) || !slices.Equal(files(t, folder), before) {
		t.Errorf("of somebody without an entry: expected %v and the files %q, got %v and %q", keychain.ErrNone, before, err, files(t, folder))
	}
	if n, err := there.DeleteUnused(t.Context(), nil, unused); n != 1 || err != nil || len(system.secrets) != 0 {
		t.Errorf("with the keychain: expected one deleted, got %d, %v", n, err)
	}
}

// What cannot be read now may be of use later. What nobody can ever read is not.
func TestDeleteUnusedThatCannotBeRead(t *testing.T) {
	openDeleted := 1
	if runtime.GOOS == "windows" {
		openDeleted = 0 // modes mean nothing there
	}
	for name, c := range map[string]struct {
		spoil   func(file string) error
		deleted int
		fails   bool
	}{
		"no file":          {os.Remove, 0, false},
		"nonsense":         {func(file string) error { return os.WriteFile(file, []byte("hush"), 0o600) }, 1, false},
		"without a token":  {func(file string) error { return os.WriteFile(file, []byte(`{"key_file":"/alice"}`), 0o600) }, 1, false},
		"open to others":   {func(file string) error { return os.Chmod(file, 0o644) }, openDeleted, false},
		"a folder instead": {func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) }, 0, true},
	} {
		s := &keychain.Store{Folder: t.TempDir()}
		put(t, s, "hush", keychain.InFile)
		file := filepath.Join(s.Folder, files(t, s.Folder)[0])
		if err := c.spoil(file); err != nil {
			t.Fatal(err)
		}
		n, err := s.DeleteUnused(t.Context(), nil, func(keychain.Entry, keychain.Owner) bool { return true })
		if n != c.deleted || (err != nil) != c.fails || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: expected %d deleted, a failure %t, got %d, %v", name, c.deleted, c.fails, n, err)
		}
		if _, err := os.Lstat(file); (err == nil) != c.fails {
			t.Errorf("%s: expected it to stay %t, got %v", name, c.fails, err)
		}
	}
}

func TestFilesAreForThePersonAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // files have the rights of the home folder there
	}
	s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "a", "state")}
	put(t, s, "secret", keychain.InFile)
	names := files(t, s.Folder)
	if len(names) != 1 {
		t.Fatalf("expected one file, got %v", names)
	}
	file := filepath.Join(s.Folder, names[0])
	for name, want := range map[string]os.FileMode{s.Folder: 0o700, file: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: expected mode %o, got %v, %v", name, want, info, err)
		}
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(alice); err == nil || errors.Is(err, keychain.ErrNone) {
		t.Errorf("a file that a group can read: got %v", err)
	}
	if err := errors.Join(os.Rename(file, file+".real"), os.Chmod(file+".real", 0o600), os.Symlink(file+".real", file)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(alice); err == nil || errors.Is(err, keychain.ErrNone) {
		t.Errorf("a symbolic link: got %v", err)
	}
}

// What a keychain does not take goes to a file, and what stood in it before is not what counts.
func TestAKeychainThatRefuses(t *testing.T) {
	system := newMemory()
	s := &keychain.Store{Folder: t.TempDir(), System: system}
	put(t, s, "first", keychain.InKeychain)
	system.refuse = errors.New("locked")
	if place, trouble, err := s.Put(alice, keychain.Entry{RefreshToken: "second"}); place != keychain.InFile || trouble == nil || err != nil {
		t.Fatalf("expected a file and the trouble, got %q, %v, %v", place, trouble, err)
	}
	wantToken(t, s, "second")
	system.refuse = nil
	s = &keychain.Store{Folder: s.Folder, System: system} // the next process
	put(t, s, "third", keychain.InKeychain)
	wantToken(t, s, "third")
	for _, name := range files(t, s.Folder) {
		if strings.HasSuffix(name, ".json") {
			t.Errorf("an old token in the file %s", name)
		}
	}
}

func TestWhatCannotBeReadIsNotQuoted(t *testing.T) {
	system := newMemory()
	s := &keychain.Store{Folder: t.TempDir(), System: system}
	put(t, s, "hush", keychain.InKeychain)
	for name := range system.secrets {
		system.secrets[name] = "hush-hush"
	}
	if _, err := s.Get(alice); err == nil || errors.Is(err, keychain.ErrNone) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

// FuzzEntry: what is kept is found again, and what cannot be read is not quoted.
func FuzzEntry(f *testing.F) {
	f.Add(`{"refresh_token":"hush"}`, "hush", "s3cret")
	f.Add(`{"refresh_token":["hush-hush"]}`, "\x00\U0001f600", "")
	f.Add("hush-hush", "<&>", `"`)
	f.Fuzz(func(t *testing.T, kept, token, secret string) {
		system := newMemory()
		s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "none"), System: system}
		entry := keychain.Entry{RefreshToken: token, ClientSecret: secret}
		if _, _, err := s.Put(alice, entry); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(alice)
		if token != "" && utf8.ValidString(token) && utf8.ValidString(secret) && (err != nil || got != entry) {
			t.Errorf("expected %+v, got %+v, %v", entry, got, err)
		}
		for name := range system.secrets {
			system.secrets[name] = kept
		}
		got, err = s.Get(alice)
		switch {
		case err == nil && got.RefreshToken == "":
			t.Errorf("%q: an entry without a token", kept)
		case err != nil && (got != keychain.Entry{} || len(kept) > 8 && strings.Contains(err.Error(), kept)):
			t.Errorf("%q: got %+v beside %v", kept, got, err)
		}
	})
}

// nobodys is for entries that nothing is renewed with.
func nobodys(keychain.Entry) bool { return false }
