//go:build linux

package installer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMeanwhile: a step and its undo leave a file as it is that is not as the plan has seen it.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	const none = ""
	h := &host{root: t.TempDir()}
	mine := owner{os.Getuid(), os.Getgid(), 0o640}
	set := func(t *testing.T, text string) {
		t.Helper()
		path := filepath.Join(h.root, "file")
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if text == none {
			return
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(t *testing.T, text string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(h.root, "file"))
		if err != nil && !os.IsNotExist(err) || string(data) != text {
			t.Errorf("expected %q, got %q, %v", text, data, err)
		}
	}
	for _, test := range []struct {
		name, before, after string
		step                func() (func() error, error)
		changes             []string
	}{
		{"create", none, "new", h.write("/file", []byte("new"), mine, none), []string{"theirs", "new"}},
		{"replace", "old", "new", h.write("/file", []byte("new"), mine, fingerprint([]byte("old"))), []string{"theirs", none}},
		{"remove", "old", none, h.removal("/file", fingerprint([]byte("old"))), []string{"theirs", none}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, change := range test.changes {
				set(t, change)
				var refusal *Refusal
				if _, err := test.step(); !errors.As(err, &refusal) || refusal.Path != "/file" {
					t.Errorf("%q: expected a refusal, got %v", change, err)
				}
				want(t, change)
			}
			set(t, test.before)
			undo, err := test.step()
			if err != nil {
				t.Fatal(err)
			}
			want(t, test.after)
			set(t, "theirs")
			if err := undo(); err == nil || !strings.Contains(err.Error(), "stays as it is") {
				t.Errorf("expected that it is left as it is, got %v", err)
			}
			want(t, "theirs")
			set(t, test.after)
			if err := undo(); err != nil {
				t.Error(err)
			}
			want(t, test.before)
		})
	}
	if left, err := os.ReadDir(h.root); err != nil || len(left) > 1 {
		t.Errorf("expected no other files, got %v, %v", left, err)
	}
}

// TestBlockMeanwhile: our lines go out of sshd_config again, and those that somebody has written there meanwhile stay.
func TestBlockMeanwhile(t *testing.T) {
	t.Parallel()
	h := &host{root: t.TempDir()}
	path := filepath.Join(h.root, "sshd_config")
	set := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(text string) {
		t.Helper()
		if data, err := os.ReadFile(path); err != nil || string(data) != text {
			t.Errorf("expected %q, got %q, %v", text, data, err)
		}
	}
	older, newer := newBlock("older\n"), newBlock("newer\n")
	for _, test := range []struct{ before, after, changed, back string }{
		{"Port 22\n", newer + "Port 22\n", newer + "Port 22\nPermitRootLogin no\n", "Port 22\nPermitRootLogin no\n"},
		{older + "Port 22\n", newer + "Port 22\n", newer + "Port 2222\n", older + "Port 2222\n"},
		{older + "Port 22\n", "Port 22\n", "Port 2222\n", older + "Port 2222\n"},
	} {
		var block []byte
		if strings.HasPrefix(test.after, newer) {
			block = []byte(newer)
		}
		set(test.changed)
		var refusal *Refusal
		if _, err := h.editBlock("/sshd_config", []byte(test.before), block); !errors.As(err, &refusal) {
			t.Errorf("expected a refusal, got %v", err)
		}
		want(test.changed)
		for change, back := range map[string]string{test.after: test.before, test.changed: test.back} {
			set(test.before)
			undo, err := h.editBlock("/sshd_config", []byte(test.before), block)
			if err != nil {
				t.Fatal(err)
			}
			want(test.after)
			set(change)
			if err := undo(); err != nil {
				t.Error(err)
			}
			want(back)
		}
	}
}

// TestNumberTakenMeanwhile: the ID that the plan has found free may be another user's by now, who would be the same to the kernel.
func TestNumberTakenMeanwhile(t *testing.T) {
	t.Parallel()
	h := &host{root: t.TempDir()}
	if err := os.Mkdir(filepath.Join(h.root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	const theirs = "carol:x:999:999::/home/carol:/bin/sh\n"
	passwd := filepath.Join(h.root, passwdFile)
	if err := os.WriteFile(passwd, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, taken := range map[string]bool{"999": true, "99": false} {
		undo, err := h.addEntries([]accountLine{{passwdFile, "opksshuser:x:" + id + ":999::/nonexistent:/usr/sbin/nologin"}})
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) != taken || !taken && err != nil {
			t.Errorf("%s: got %v", id, err)
		}
		if undo != nil {
			if err := undo(); err != nil {
				t.Error(err)
			}
		}
		if data, err := os.ReadFile(passwd); err != nil || string(data) != theirs {
			t.Errorf("%s: expected %q, got %q, %v", id, theirs, data, err)
		}
	}
}
