//go:build unix

package idp_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"opkssh/internal/idp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled is a cache folder that holds the provider's keys.
func filled(t *testing.T, op *openIDProvider, now *clock) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cache")
	must(t, op.newCache(dir, now).Refresh(context.Background(), op.issuer))
	op.wantRequests(1, 1)
	return dir, filepath.Join(dir, idp.ProviderFileName(op.issuer)+".json")
}

func TestModes(t *testing.T) {
	// Files are swept by their age on the real clock.
	op, now := newProvider(t), &clock{now: time.Now()}
	dir, _ := filled(t, op, now)
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	if _, err := op.newCache(dir, now).Userinfo(context.Background(), op.issuer, "token", "alice"); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("folder: expected mode 0700, got %#o", info.Mode().Perm())
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) < 5 {
		t.Errorf("expected answers, attempts and locks, got %v", files)
	}
	for _, file := range files {
		info, err := file.Info()
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s: expected a regular file with mode 0600, got %s", file.Name(), info.Mode())
		}
	}
	wantNoTemporaryFile(t, dir)
}

func wantNoTemporaryFile(t *testing.T, dir string) {
	t.Helper()
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// TestFolderNotUsable: logins go on from the network, with one warning, and nothing in the folder is believed.
func TestFolderNotUsable(t *testing.T) {
	tests := map[string]func(t *testing.T, dir, file string) (use string){
		"writable by others": func(t *testing.T, dir, _ string) string { must(t, os.Chmod(dir, 0o707)); return dir },
		"writable by group":  func(t *testing.T, dir, _ string) string { must(t, os.Chmod(dir, 0o770)); return dir },
		"symbolic link": func(t *testing.T, dir, _ string) string {
			must(t, os.Symlink(dir, dir+"-link"))
			return dir + "-link/"
		},
		"a file":       func(_ *testing.T, _, file string) string { return file },
		"below a file": func(_ *testing.T, _, file string) string { return filepath.Join(file, "cache") },
		"below a link to nothing": func(t *testing.T, dir, _ string) string {
			must(t, os.Symlink(dir+"-gone", dir+"-link"))
			return filepath.Join(dir+"-link", "cache")
		},
		"lock cannot be opened": func(t *testing.T, _, file string) string {
			dir := filepath.Join(t.TempDir(), "cache")
			must(t, os.MkdirAll(filepath.Join(dir, strings.TrimSuffix(filepath.Base(file), ".json")+".lock"), 0o700))
			return dir
		},
		"file cannot be replaced": func(t *testing.T, _, file string) string {
			dir := filepath.Join(t.TempDir(), "cache")
			must(t, os.MkdirAll(filepath.Join(dir, filepath.Base(file)+".tmp", "full"), 0o700))
			return dir
		},
	}
	if os.Geteuid() == 0 {
		tests["somebody else's"] = func(t *testing.T, dir, _ string) string { must(t, os.Chown(dir, 12345, 12345)); return dir }
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			op, now := newProvider(t), newClock()
			dir, file := filled(t, op, now)
			op.setKeys("two")
			c := op.newCache(spoil(t, dir, file), now)
			var warnings []string
			c.Warn = func(message string, _ ...any) { warnings = append(warnings, message) }
			wantKey(t, c, op.issuer, "two", true)
			wantKey(t, c, op.issuer, "two", true)
			op.wantRequests(2, 2)
			if len(warnings) != 1 {
				t.Errorf("expected one warning, got %q", warnings)
			}
			err := c.Refresh(context.Background(), op.issuer)
			wantReason(t, err, idp.ReasonFolder)
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("expected what is wrong, got %v", err)
			}
			op.down()
			_, err = c.Keys(context.Background(), op.issuer, nil)
			wantReason(t, err, idp.ReasonStatus)
		})
	}
}

// TestFileNotUsable: a file that cannot be believed is as good as none, and is replaced.
func TestFileNotUsable(t *testing.T) {
	other := newProvider(t)
	edit := func(old, replacement string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			data, err := os.ReadFile(file)
			must(t, err)
			changed := bytes.Replace(data, []byte(old), []byte(replacement), 1)
			if bytes.Equal(data, changed) {
				t.Fatalf("no %s in %s", old, data)
			}
			must(t, os.WriteFile(file, changed, 0o600))
		}
	}
	tests := map[string]func(t *testing.T, file string){
		"writable by others": func(t *testing.T, file string) { must(t, os.Chmod(file, 0o602)) },
		"writable by group":  func(t *testing.T, file string) { must(t, os.Chmod(file, 0o660)) },
		"symbolic link": func(t *testing.T, file string) {
			must(t, os.Rename(file, file+".real"))
			must(t, os.Symlink(filepath.Base(file)+".real", file))
		},
		"pipe": func(t *testing.T, file string) {
			must(t, os.Remove(file))
			must(t, syscall.Mkfifo(file, 0o600))
		},
		"truncated": func(t *testing.T, file string) { must(t, os.Truncate(file, 100)) },
		"empty":     func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) },
		"too large": func(t *testing.T, file string) {
			data, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, append(data, bytes.Repeat([]byte(" "), 4<<20)...), 0o600))
		},
		"binary": func(t *testing.T, file string) { must(t, os.WriteFile(file, []byte("\x00\xff\xfe"), 0o600)) },
		"other issuer's": func(t *testing.T, file string) {
			_, from := filled(t, other, newClock())
			data, err := os.ReadFile(from)
			must(t, err)
			must(t, os.WriteFile(file, data, 0o600))
		},
		"other version":      edit(`"version":1`, `"version":2`),
		"fresh for too long": edit(`"fresh_until":"2026-03-01`, `"fresh_until":"2027-03-01`),
		"fresh before":       edit(`"fresh_until":"2026-03-01`, `"fresh_until":"2025-03-01`),
		"no time":            edit(`"fetched_at":"2026-03-01`, `"fetched_at":"yesterday`),
		"no keys":            edit(`"jwks":"`, `"jwks":"x`),
		"keys of other type": edit(`"jwks":`, `"jwks":1,"x":`),
		"no discovery":       edit(`"discovery":`, `"x":`),
		"duplicate member":   edit(`"version":1`, `"version":1,"version":1`),
	}
	if os.Geteuid() == 0 {
		tests["somebody else's"] = func(t *testing.T, file string) { must(t, os.Chown(file, 12345, 12345)) }
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			op, now := newProvider(t), newClock()
			dir, file := filled(t, op, now)
			spoil(t, file)
			op.setKeys("two")
			c := op.newCache(dir, now)
			warnings := 0
			c.Warn = func(string, ...any) { warnings++ }
			wantKey(t, c, op.issuer, "two", true)
			op.wantRequests(1, 1)
			if warnings == 0 {
				t.Error("expected a warning")
			}
			wantKey(t, op.newCache(dir, now), op.issuer, "two", true)
			op.wantRequests(0, 0)
			info, err := os.Lstat(file)
			must(t, err)
			if info.Mode() != 0o600 {
				t.Errorf("expected a regular file with mode 0600, got %s", info.Mode())
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		op, now := newProvider(t), newClock()
		dir, file := filled(t, op, now)
		must(t, os.Remove(file))
		must(t, os.Mkdir(file, 0o700))
		wantKey(t, op.newCache(dir, now), op.issuer, "one", true)
		wantNoTemporaryFile(t, dir)
	})
	t.Run("none larger than is allowed", func(t *testing.T) {
		op, now := newProvider(t), newClock()
		dir, file := filled(t, op, now)
		data, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(file, append(data, bytes.Repeat([]byte(" "), 4<<20-len(data))...), 0o600))
		wantKey(t, op.newCache(dir, now), op.issuer, "one", true)
		op.wantRequests(0, 0)
	})
}

func TestLeftovers(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir, file := filled(t, op, now)
	// What a crash left behind does not stop the next writer, and no attempt file can stop a refresh.
	must(t, os.WriteFile(file+".tmp", []byte("{"), 0o600))
	attempt := strings.TrimSuffix(file, ".json") + ".attempt"
	for _, content := range []string{"", "\x00", "9999-12-31T00:00:00Z\n"} {
		must(t, os.WriteFile(attempt, []byte(content), 0o600))
		now.move(2 * idp.DefaultTTL)
		op.setKeys("two")
		wantKey(t, op.newCache(dir, now), op.issuer, "two", true)
		op.wantRequests(1, 1)
		wantKey(t, op.newCache(dir, now), op.issuer, "two", true)
		op.wantRequests(0, 0)
	}
	wantNoTemporaryFile(t, dir)
	// One that cannot be written costs a warning.
	must(t, os.Remove(attempt))
	must(t, os.MkdirAll(filepath.Join(attempt+".tmp", "full"), 0o700))
	now.move(2 * idp.DefaultTTL)
	c := op.newCache(dir, now)
	warnings := 0
	c.Warn = func(string, ...any) { warnings++ }
	wantKey(t, c, op.issuer, "two", true)
	op.wantRequests(1, 1)
	if warnings != 1 {
		t.Errorf("expected one warning, got %d", warnings)
	}
}

// TestDiskFull: half a file does not take the place of a whole one. A process that may write no more than 512 bytes to a file
// finds its disk full.
func TestDiskFull(t *testing.T) {
	op, dir := newProvider(t), filepath.Join(t.TempDir(), "cache")
	aged(t, op, dir, 26*time.Hour)
	file := filepath.Join(dir, idp.ProviderFileName(op.issuer)+".json")
	before, err := os.ReadFile(file)
	must(t, err)
	op.setKeys("two")
	command := exec.Command("sh", "-c", `ulimit -f 1 && exec "$0"`, os.Args[0])
	command.Env = looking(t, op, dir, "two")
	said, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "provider cache not usable") || !strings.HasSuffix(string(said), "found\n") {
		t.Errorf("expected a warning and the key, got %q, %v", said, err)
	}
	op.wantRequests(1, 1)
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("expected the file as it was, got %q, %v", after, err)
	}
	wantNoTemporaryFile(t, dir)
}

const nobody = 65534

// foundWithoutRights looks for the key "one" in a process that is not root's.
func foundWithoutRights(t *testing.T, op *openIDProvider, cache string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	data, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(program, data, 0o755))
	command := exec.Command(program)
	command.Env = looking(t, op, cache, "one")
	if os.Geteuid() == 0 {
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if said, err := command.CombinedOutput(); err != nil || string(said) != "ready\nfound\n" {
		t.Errorf("expected the key and no warning, got %q, %v", said, err)
	}
}

// TestLockOfAnotherUser: a lock that was left in our folder and that we may not open is taken away.
func TestLockOfAnotherUser(t *testing.T) {
	op, dir := newProvider(t), t.TempDir()
	lock := filepath.Join(dir, idp.ProviderFileName(op.issuer)+".lock")
	must(t, os.WriteFile(lock, nil, 0))
	must(t, os.Chmod(dir, 0o700))
	if os.Geteuid() == 0 {
		must(t, os.Chown(dir, nobody, nobody))
	}
	foundWithoutRights(t, op, dir)
	op.wantRequests(1, 1)
	foundWithoutRights(t, op, dir)
	op.wantRequests(0, 0)
	if info, err := os.Stat(lock); err != nil || info.Mode() != 0o600 {
		t.Errorf("expected a lock of our own, got %v, %v", info, err)
	}
}

// TestFolderOfRoot: everybody may read what root has fetched.
func TestFolderOfRoot(t *testing.T) {
	op, dir := newProvider(t), t.TempDir()
	aged(t, op, dir, time.Hour)
	for _, name := range names(t, dir) {
		must(t, os.Chmod(filepath.Join(dir, name), 0o644))
	}
	must(t, os.Chmod(dir, 0o755))
	foundWithoutRights(t, op, dir)
	op.wantRequests(0, 0)
}

func TestFileNames(t *testing.T) {
	for _, issuer := range []string{
		"https://op.example.com", "https://OP.example.com/../../etc", "https://..%2f..%2fetc", "https://[fe80::1]", "https://-rf",
		"https://" + strings.Repeat("a", 300), "https://öp.example.com", "\x00", "",
	} {
		name := idp.ProviderFileName(issuer)
		if !fs.ValidPath(name) || strings.ContainsAny(name, "/\\\x00: ") || len(name) > 200 || !strings.HasPrefix(name, "provider-") {
			t.Errorf("%q: got %q", issuer, name)
		}
	}
	// The host is there to be read.
	for issuer, want := range map[string]string{
		"https://az-09.OP.example.com:8443/realm": "provider-az-09.op.example.com-",
		"\x00":                               "provider--",
		"https://a_b+c~dö.example.com":       "provider-a_b_c_d_.example.com-",
		"https://[fe80::1]":                  "provider-fe80__1-",
		"https://" + strings.Repeat("a", 80): "provider-" + strings.Repeat("a", 80) + "-",
		"https://" + strings.Repeat("a", 81): "provider-" + strings.Repeat("a", 80) + "-",
		"https://.-op.example.com":           "provider-op.example.com-",
	} {
		name := idp.ProviderFileName(issuer)
		if !strings.HasPrefix(name, want) || len(name) != len(want)+64 {
			t.Errorf("%q: expected %q and a hash, got %q", issuer, want, name)
		}
	}
	if idp.ProviderFileName("https://op.example.com/a") == idp.ProviderFileName("https://op.example.com/b") {
		t.Error("two issuers share a file")
	}
}
