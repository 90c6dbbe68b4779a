package keychain_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"opkssh/internal/keychain"
)

// A key without a refresh token leaves nothing behind, and neither does a process that was killed.
func TestLockLeavesNothing(t *testing.T) {
	for _, system := range []keychain.System{nil, newMemory()} {
		s := &keychain.Store{Folder: filepath.Join(t.TempDir(), "state"), System: system}
		killed := make([]string, 2)
		for i := range killed {
			unlock, err := s.Lock(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(s.Folder, files(t, s.Folder)[0])
			killed[i] = name[:len(name)-len(filepath.Ext(name))] + []string{".lock", ".json.new"}[i]
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Lock(ctx, alice); !errors.Is(err, context.Canceled) {
				t.Errorf("a second one: expected %v, got %v", context.Canceled, err)
			}
			if _, err := s.DeleteUnused(t.Context(), nil, nil); err != nil || len(files(t, s.Folder)) != 1 {
				t.Errorf("the lock of another process: left %q, %v", files(t, s.Folder), err)
			}
			unlock()
			wantNoFolder(t, s.Folder)
		}
		for _, name := range killed {
			if err := errors.Join(os.MkdirAll(s.Folder, 0o700), os.WriteFile(name, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			if n, err := s.DeleteUnused(t.Context(), nil, nil); n != 0 || err != nil {
				t.Errorf("%s: expected none deleted, got %d, %v", name, n, err)
			}
			wantNoFolder(t, s.Folder)
		}
	}
}

// TestFolderBehindALink: a link that somebody made, as to another disk, stays, and so does what is behind it.
func TestFolderBehindALink(t *testing.T) {
	folder := t.TempDir()
	s := &keychain.Store{Folder: filepath.Join(folder, "link")}
	if err := os.Symlink(folder, s.Folder); err != nil {
		t.Fatal(err)
	}
	put(t, s, "first", keychain.InFile)
	unlock, err := s.Lock(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	wantToken(t, s, "first")
	if err := s.Delete(t.Context(), alice, func(keychain.Entry) bool { return false }); err != nil {
		t.Error(err)
	}
	if left := files(t, folder); len(left) != 1 {
		t.Errorf("expected the link alone, got %q", left)
	}
}

// wantNoFolder is for when nothing is kept and nobody is at work.
func wantNoFolder(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Lstat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("left behind: %q, %v", files(t, folder), err)
	}
}

// Somebody removes the lock files and the folder while others make them.
func TestManyProcesses(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	var crowd sync.WaitGroup
	var inside [3]atomic.Int32
	for i := range 8 {
		crowd.Go(func() {
			s := &keychain.Store{Folder: folder}
			for j := range 40 {
				n := (i + j) % len(inside)
				k := another(func(k *keychain.Key) { k.Fingerprint = fmt.Sprint(n) })
				unlock, err := s.Lock(t.Context(), k)
				if err != nil {
					t.Error(err)
					return
				}
				if others := inside[n].Add(1) - 1; others > 0 {
					t.Errorf("expected the lock for one, got %d others", others)
				}
				if _, _, err := s.Put(k, keychain.Entry{RefreshToken: "hush"}); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(k); err != nil {
					t.Error(err)
				}
				inside[n].Add(-1)
				unlock()
				if err := s.Delete(t.Context(), k, nobodys); err != nil && !errors.Is(err, keychain.ErrNone) {
					t.Error(err)
				}
			}
		})
	}
	crowd.Wait()
	wantNoFolder(t, folder)
}

// A key whose refresh takes long keeps no other one from anything, unless its entry is to be forgotten.
func TestKeysSideBySide(t *testing.T) {
	s := &keychain.Store{Folder: t.TempDir()}
	unlock, err := s.Lock(t.Context(), alicesOther)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, _, err := s.Put(alicesOther, keychain.Entry{RefreshToken: "other"}); err != nil {
		t.Fatal(err)
	}
	unlockAlice, err := s.Lock(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "hush", keychain.InFile)
	unlockAlice()
	if n, err := s.DeleteUnused(t.Context(), nil, func(keychain.Entry, keychain.Owner) bool { return true }); n != 0 || err != nil {
		t.Errorf("expected none deleted, got %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := s.DeleteUnused(ctx, nil, func(keychain.Entry, keychain.Owner) bool { return false }); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: expected none deleted and %v, got %d, %v", context.Canceled, n, err)
	}
	wantToken(t, s, "hush")
}
