//go:build unix

package hostfiles

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// self is the account that runs the test, with a home folder of its own.
func self(t *testing.T) *Account {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	return &Account{Name: "self", UID: uint32(os.Geteuid()), Home: home}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s: expected mode %04o, got %04o", path, want, got)
	}
}

func TestEditHome(t *testing.T) {
	a := self(t)
	if changed, err := EditHome(a, appending("one\n")); err != nil || !changed {
		t.Fatalf("expected a new file, got %v, %v", changed, err)
	}
	wantText(t, a.HomeFile(), "one\n")
	wantMode(t, a.HomeFile(), 0o600)
	wantMode(t, filepath.Dir(a.HomeFile()), 0o700)
	wantOnly(t, filepath.Dir(a.HomeFile()), "auth_id")

	chmod(t, a.HomeFile(), 0o644)
	if changed, err := EditHome(a, appending("two\n")); err != nil || !changed {
		t.Fatalf("expected a change, got %v, %v", changed, err)
	}
	wantText(t, a.HomeFile(), "one\ntwo\n")
	wantMode(t, a.HomeFile(), 0o644)
}

// TestEditHomeLeavesNothing: an edit that comes to nothing makes no file and no folder.
func TestEditHomeLeavesNothing(t *testing.T) {
	a := self(t)
	refused := errors.New("refused")
	if _, err := EditHome(a, func([]byte) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("expected the error of the edit, got %v", err)
	}
	if changed, err := EditHome(a, func(data []byte) ([]byte, error) { return data, nil }); err != nil || changed {
		t.Errorf("expected no change, got %v, %v", changed, err)
	}
	wantOnly(t, a.Home)
}

func TestEditHomeRefuses(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, a *Account){
		"somebody else's home": func(_ *testing.T, a *Account) { a.UID++ },
		"a file that others can write": func(t *testing.T, a *Account) {
			write(t, a.HomeFile(), "x", 0o666)
			chmod(t, a.HomeFile(), 0o666)
		},
		"a folder that others can write": func(t *testing.T, a *Account) {
			write(t, a.HomeFile(), "x", 0o600)
			chmod(t, filepath.Dir(a.HomeFile()), 0o777)
		},
		"a link": func(t *testing.T, a *Account) {
			write(t, a.Home+"/x", "x", 0o600)
			if err := os.Symlink("x", a.Home+"/.opk"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		a := self(t)
		prepare(t, a)
		changed, err := EditHome(a, appending("one\n"))
		var fault *Fault
		if !errors.As(err, &fault) || changed {
			t.Errorf("%s: expected a Fault, got %v, %v", name, changed, err)
		}
	}
}
