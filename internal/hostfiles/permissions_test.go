//go:build unix

package hostfiles

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const (
	commandUID = 61_001
	strangerID = 61_002
)

// newLayout is a host in dir, where everything is as it should be. It needs root, whose files a host's are.
func newLayout(t *testing.T) *Layout {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	dir := t.TempDir()
	l := &Layout{
		ConfigDir: filepath.Join(dir, "opk"), CacheDir: filepath.Join(dir, "cache"),
		User: &Account{Name: "opksshuser", UID: commandUID, GID: commandUID},
	}
	for name, mode := range map[string]fs.FileMode{"opk": 0o750, "opk/providers.d": 0o755, "opk/policy.d": 0o750, "cache": 0o700} {
		make := filepath.Join(dir, name)
		if err := os.MkdirAll(make, mode); err != nil {
			t.Fatal(err)
		}
		setOwner(t, make, 0, commandUID, mode)
	}
	for name, mode := range map[string]fs.FileMode{
		"opk/providers": 0o640, "opk/auth_id": 0o644, "opk/config.yml": 0o640, "opk/ca.pem": 0o600, "opk/providers.d/a.conf": 0o640, "opk/policy.d/a.yml": 0o640,
		"cache/provider-op.example.com-00.json": 0o600,
	} {
		put(t, filepath.Join(dir, name), mode)
	}
	setOwner(t, l.CacheDir, commandUID, commandUID, 0o700)
	setOwner(t, filepath.Join(l.CacheDir, "provider-op.example.com-00.json"), commandUID, commandUID, 0o600)
	return l
}

func put(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x\n"), mode); err != nil {
		t.Fatal(err)
	}
	setOwner(t, path, 0, commandUID, mode)
}

func setOwner(t *testing.T, path string, uid, gid int, mode fs.FileMode) {
	t.Helper()
	if err := os.Lchown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// state is all that can change, of every file.
func state(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		all[path] = fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// told gives kind:name:from->to of changes, and !name of problems.
func told(l *Layout, changes []Change) []string {
	var all []string
	for _, c := range changes {
		name, err := filepath.Rel(filepath.Dir(l.ConfigDir), c.Path)
		if err != nil {
			name = c.Path
		}
		text := fmt.Sprintf("%s:%s:%s->%s", c.Kind, name, c.From, c.To)
		if c.Problem != "" {
			text = "!" + name
		}
		if c.Suspect {
			text += "?"
		}
		all = append(all, text)
	}
	return all
}

func TestPermissions(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(t *testing.T, l *Layout)
		create bool
		want   []string
		left   []string // of a second look
	}{
		{name: "as it should be"},
		{name: "as it should be, and nothing is made", create: true},
		{
			name:  "writable by its group",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/auth_id", 0, commandUID, 0o664) },
			want:  []string{"mode:opk/auth_id:0664->0644?"},
		},
		{
			name:  "somebody else's",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/providers", strangerID, strangerID, 0o644) },
			want:  []string{"owner:opk/providers:uid 61002->uid 0?"},
		},
		{
			name:  "somebody else's, and closed",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/providers", strangerID, strangerID, 0o600) },
			want:  []string{"owner:opk/providers:uid 61002->uid 0?", "group:opk/providers:gid 61002->gid 61001?", "mode:opk/providers:0600->0640?"},
		},
		{
			name:  "closed to the user",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/config.yml", 0, 0, 0o600) },
			want:  []string{"group:opk/config.yml:gid 0->gid 61001", "mode:opk/config.yml:0600->0640"},
		},
		{
			name:  "closed to the user's group",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/config.yml", 0, commandUID, 0o600) },
			want:  []string{"mode:opk/config.yml:0600->0640"},
		},
		{
			name:  "for another group, which is not taken away",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/config.yml", 0, strangerID, 0o640) },
			want:  []string{"!opk/config.yml"}, left: []string{"!opk/config.yml"},
		},
		{
			name: "root reads everything",
			spoil: func(t *testing.T, l *Layout) {
				l.User = &Account{Name: "root"}
				setOwner(t, l.ConfigDir+"/config.yml", 0, 0, 0o600)
				setOwner(t, l.CacheDir, 0, 0, 0o700)
				setOwner(t, l.CacheDir+"/provider-op.example.com-00.json", 0, 0, 0o600)
			},
		},
		{
			name:  "the folder",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir, 0, 0, 0o770) },
			want:  []string{"group:opk:gid 0->gid 61001?", "mode:opk:0770->0750?"},
		},
		{
			name: "a drop-in and its folder",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.ConfigDir+"/providers.d", 0, 0, 0o777)
				setOwner(t, l.ConfigDir+"/providers.d/a.conf", 0, 0, 0o606)
			},
			want: []string{"mode:opk/providers.d:0777->0755?", "mode:opk/providers.d/a.conf:0606->0604?"},
		},
		{
			name:  "a plugin",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/policy.d/a.yml", strangerID, 0, 0o644) },
			want:  []string{"owner:opk/policy.d/a.yml:uid 61002->uid 0?"},
		},
		{
			name:  "what is not the verifier's to read",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/ca.pem", 0, 0, 0o622) },
			want:  []string{"mode:opk/ca.pem:0622->0600?"},
		},
		{
			name:  "a program that runs as its owner, who is somebody else",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/ca.pem", strangerID, 0, 0o755|fs.ModeSetuid) },
			want:  []string{"owner:opk/ca.pem:uid 61002->uid 0?", "mode:opk/ca.pem:4755->0755?"},
		},
		{
			name: "too large to copy",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.ConfigDir+"/ca.pem", strangerID, 0, 0o644)
				if err := os.Truncate(l.ConfigDir+"/ca.pem", MaxSize+1); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"!opk/ca.pem"}, left: []string{"!opk/ca.pem"},
		},
		{
			name: "the log beside the rules",
			spoil: func(t *testing.T, l *Layout) {
				l.LogFile = l.ConfigDir + "/opkssh.log"
				put(t, l.LogFile, 0o600)
				setOwner(t, l.LogFile, commandUID, commandUID, 0o600)
			},
		},
		{
			name: "several names",
			spoil: func(t *testing.T, l *Layout) {
				secret := filepath.Dir(l.ConfigDir) + "/secret"
				put(t, secret, 0o600)
				setOwner(t, secret, 0, 0, 0o600)
				removeAll(t, l.ConfigDir+"/auth_id")
				if err := os.Link(secret, l.ConfigDir+"/auth_id"); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"!opk/auth_id"}, left: []string{"!opk/auth_id"},
		},
		{
			name: "a link is not followed",
			spoil: func(t *testing.T, l *Layout) {
				other := filepath.Dir(l.ConfigDir) + "/other"
				put(t, other, 0o666)
				removeAll(t, l.ConfigDir+"/auth_id")
				makeLink(t, other, l.ConfigDir+"/auth_id")
			},
			want: []string{"!other"}, left: []string{"!other"},
		},
		{
			name: "a link that a login follows",
			spoil: func(t *testing.T, l *Layout) {
				other := filepath.Dir(l.ConfigDir) + "/other"
				put(t, other, 0o644)
				removeAll(t, l.ConfigDir+"/auth_id")
				makeLink(t, other, l.ConfigDir+"/auth_id")
			},
		},
		{
			name: "not a file",
			spoil: func(t *testing.T, l *Layout) {
				removeAll(t, l.ConfigDir+"/auth_id")
				if err := syscall.Mkfifo(l.ConfigDir+"/auth_id", 0o600); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"!opk/auth_id"}, left: []string{"!opk/auth_id"},
		},
		{
			name: "a folder above it",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, filepath.Dir(l.ConfigDir), 0, 0, 0o777)
				setOwner(t, l.ConfigDir+"/auth_id", 0, 0, 0o666)
			},
			want: []string{"!.", "!."}, left: []string{"!.", "!."},
		},
		{
			name: "the cache is root's",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.CacheDir, 0, 0, 0o755)
				setOwner(t, l.CacheDir+"/provider-op.example.com-00.json", 0, 0, 0o600)
			},
			want: []string{
				"owner:cache:uid 0->uid 61001", "mode:cache:0755->0700", "remove:cache/provider-op.example.com-00.json:uid 0->",
			},
		},
		{
			name: "a file of the cache that others could write",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.CacheDir+"/provider-op.example.com-00.json", commandUID, commandUID, 0o666)
			},
			want: []string{"remove:cache/provider-op.example.com-00.json:0666->"},
		},
		{
			name: "a link in the cache",
			spoil: func(t *testing.T, l *Layout) {
				makeLink(t, "/etc/passwd", l.CacheDir+"/provider-x.lock")
				put(t, l.CacheDir+"/unrelated", 0o644)
			},
			want: []string{"remove:cache/provider-x.lock:a symbolic link->"},
		},
		{
			name: "some other folder as the cache",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.CacheDir, 0, 0, 0o755)
				put(t, l.CacheDir+"/unrelated", 0o644)
			},
			want: []string{"!cache"}, left: []string{"!cache"},
		},
		{
			name: "nothing is there",
			spoil: func(t *testing.T, l *Layout) {
				l.LogFile = filepath.Dir(l.ConfigDir) + "/opkssh.log"
				removeAll(t, l.ConfigDir)
				removeAll(t, l.CacheDir)
			},
			create: true,
			want: []string{
				"create:opk:->uid 0, gid 61001, 0750", "create:cache:->uid 61001, gid 61001, 0700", "create:opkssh.log:->uid 61001, gid 61001, 0600",
			},
		},
		{
			name: "nothing is there, and nothing is made",
			spoil: func(t *testing.T, l *Layout) {
				l.LogFile = filepath.Dir(l.ConfigDir) + "/opkssh.log"
				removeAll(t, l.ConfigDir)
				removeAll(t, l.CacheDir)
			},
			want: []string{"!opkssh.log"}, left: []string{"!opkssh.log"},
		},
		{
			name: "another program's log",
			spoil: func(t *testing.T, l *Layout) {
				l.LogFile = filepath.Dir(l.ConfigDir) + "/opkssh.log"
				put(t, l.LogFile, 0o640)
			},
			create: true, want: []string{"!opkssh.log"}, left: []string{"!opkssh.log"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLayout(t)
			if test.spoil != nil {
				test.spoil(t, l)
			}
			dir := filepath.Dir(l.ConfigDir)
			before := state(t, dir)
			if got := told(l, l.Plan(test.create)); !slices.Equal(got, test.want) {
				t.Errorf("plan: expected %q, got %q", test.want, got)
			}
			if now := state(t, dir); fmt.Sprint(now) != fmt.Sprint(before) {
				t.Errorf("the plan changed something: %v, then %v", before, now)
			}
			if got := told(l, l.Apply(test.create)); !slices.Equal(got, test.want) {
				t.Errorf("apply: expected %q, got %q", test.want, got)
			}
			after := state(t, dir)
			if got := told(l, l.Plan(test.create)); !slices.Equal(got, test.left) {
				t.Errorf("afterwards: expected %q, got %q", test.left, got)
			}
			if got := told(l, l.Apply(test.create)); !slices.Equal(got, test.left) || fmt.Sprint(state(t, dir)) != fmt.Sprint(after) {
				t.Errorf("a second time: expected %q and no change, got %q", test.left, got)
			}
			for path, is := range before {
				// Nothing outside the two folders changes.
				if !strings.HasPrefix(path, l.ConfigDir) && !strings.HasPrefix(path, l.CacheDir) && after[path] != is {
					t.Errorf("%s: was %s, is %s", path, is, after[path])
				}
			}
		})
	}
}

// TestFixTakesAwayOpenFiles: who opened a file while others could write it can write it no more, whatever it was that was wrong. A file that
// root alone could write stays the same one.
func TestFixTakesAwayOpenFiles(t *testing.T) {
	for _, test := range []struct {
		file     string
		uid, gid int
		mode     fs.FileMode
		mended   string // as state says it
	}{
		{"auth_id", 0, commandUID, 0o666, "0:61001 100644"},
		{"providers", strangerID, strangerID, 0o644, "0:61002 100644"},
		{"config.yml", strangerID, strangerID, 0o600, "0:61001 100640"},
		{"auth_id.d/a.conf", 0, strangerID, 0o664, "0:61002 100644"},
		{"policy.d/a.yml", strangerID, 0, 0o755, "0:0 100755"},
		{"ca.pem", 0, 0, 0o622, "0:0 100600"},
		{"closed", 0, 0, 0o600, ""},
	} {
		t.Run(test.file, func(t *testing.T) {
			l := newLayout(t)
			path := filepath.Join(l.ConfigDir, test.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, path, test.mode)
			setOwner(t, path, test.uid, test.gid, test.mode)
			writer, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = writer.Close() }()
			if got := told(l, l.Apply(false)); (test.mended == "") != (len(got) == 0) {
				t.Errorf("got %q", got)
			}
			if _, err := writer.WriteString("y\n"); err != nil {
				t.Fatal(err)
			}
			want := "x\n"
			if test.mended == "" {
				want = "x\ny\n"
			} else if got := state(t, path)[path]; got != test.mended {
				t.Errorf("expected %s, got %s", test.mended, got)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != want {
				t.Errorf("expected %q, got %q, %v", want, data, err)
			}
			if got := told(l, l.Apply(false)); len(got) != 0 {
				t.Errorf("a second time: got %q", got)
			}
			left, err := filepath.Glob(filepath.Dir(path) + "/.*")
			if err != nil || len(left) != 0 {
				t.Errorf("left over: %q, %v", left, err)
			}
		})
	}
}

// TestLogHint: root gives nobody a name that others can make stand for another file.
func TestLogHint(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o755: "if nothing else writes it: chown -h 61001 '", 0o775: "if nothing else writes it: chown -h 61001 '", 0o777: "name a log in a folder of root's",
	} {
		l := newLayout(t)
		chmod(t, filepath.Dir(l.ConfigDir), 0o755)
		l.LogFile = filepath.Dir(l.ConfigDir) + "/log/opkssh.log"
		if err := os.Mkdir(filepath.Dir(l.LogFile), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, l.LogFile, 0o640)
		setOwner(t, filepath.Dir(l.LogFile), 0, strangerID, mode)
		changes := l.Plan(false)
		if len(changes) != 1 || !strings.HasPrefix(changes[0].Hint, want) {
			t.Errorf("%04o: expected the hint %q, got %+v", mode, want, changes)
		}
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func makeLink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}
