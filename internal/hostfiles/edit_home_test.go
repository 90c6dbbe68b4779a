//go:build unix

package hostfiles

import (
	"errors"
	"io/fs"
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

	// The folder is there already, with another file.
	remove(t, a.HomeFile())
	write(t, filepath.Dir(a.HomeFile())+"/other", "", 0o600)
	if changed, err := EditHome(a, appending("one\n")); err != nil || !changed {
		t.Fatalf("beside another file: expected a new one, got %v, %v", changed, err)
	}
	wantText(t, a.HomeFile(), "one\n")
	wantOnly(t, filepath.Dir(a.HomeFile()), "auth_id", "other")
}

// TestEditHomeLeavesNothing: an edit that comes to nothing makes no file and no folder.
func TestEditHomeLeavesNothing(t *testing.T) {
	a := self(t)
	refused := errors.New("refused")
	for _, edited := range []string{"", "one\n"} {
		if _, err := EditHome(a, func([]byte) ([]byte, error) { return []byte(edited), refused }); !errors.Is(err, refused) {
			t.Errorf("%q: expected the error of the edit, got %v", edited, err)
		}
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

// TestEditHomeMakesOnlyNewOnes: what stands in the way by now is another program's, and is not edited as if it had been there.
func TestEditHomeMakesOnlyNewOnes(t *testing.T) {
	for _, test := range []struct {
		name string
		does func(t *testing.T, a *Account) // meanwhile
		at   func(a *Account) string        // what could not be made
		want error
	}{
		{"a file of that name", func(t *testing.T, a *Account) { write(t, a.HomeFile(), "theirs", 0o600) }, (*Account).HomeFile, fs.ErrExist},
		{"no home any more", func(t *testing.T, a *Account) { remove(t, a.Home) }, func(a *Account) string { return a.Home + "/.opk" }, fs.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := self(t)
			times := 0
			changed, err := EditHome(a, func([]byte) ([]byte, error) {
				if times++; times == 1 {
					test.does(t, a)
				}
				return []byte("ours"), nil
			})
			var failed *fs.PathError
			if changed || !errors.Is(err, test.want) || !errors.As(err, &failed) || failed.Path != test.at(a) {
				t.Errorf("expected %v of %s, got %v, %v", test.want, test.at(a), changed, err)
			}
			if data, err := os.ReadFile(a.HomeFile()); err == nil && string(data) != "theirs" {
				t.Errorf("expected that theirs stays, got %q", data)
			}
		})
	}
}
