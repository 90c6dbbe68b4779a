//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
			name:  "for the group of root",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/config.yml", 0, 0, 0o640) },
			want:  []string{"group:opk/config.yml:gid 0->gid 61001"},
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
			name:  "a folder that the user can list and not enter",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir, 0, commandUID, 0o740) },
			want:  []string{"mode:opk:0740->0750"},
		},
		{
			name:  "somebody else's folder",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/providers.d", strangerID, commandUID, 0o755) },
			want:  []string{"owner:opk/providers.d:uid 61002->uid 0?"},
		},
		{
			name: "what a folder gives to new files, and a program of root's",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.ConfigDir+"/policy.d", 0, commandUID, 0o755|fs.ModeSetgid)
				setOwner(t, l.ConfigDir+"/providers.d", 0, commandUID, 0o775|fs.ModeSetgid)
				setOwner(t, l.ConfigDir+"/ca.pem", 0, 0, 0o755|fs.ModeSetuid)
			},
			want: []string{"mode:opk/providers.d:2775->2755?"},
		},
		{
			name: "what a login does not read",
			spoil: func(t *testing.T, l *Layout) {
				for _, name := range []string{".auth_id.1", "providers.d/.a.conf.1", "providers.d/.a.conf", "providers.d/README"} {
					put(t, filepath.Join(l.ConfigDir, name), 0o666)
				}
				makeLink(t, "auth_id", l.ConfigDir+"/link")
				if err := os.Mkdir(l.ConfigDir+"/tests", 0o755); err != nil {
					t.Fatal(err)
				}
				setOwner(t, l.ConfigDir+"/tests", strangerID, strangerID, 0o777)
				if err := syscall.Mkfifo(l.ConfigDir+"/fifo", 0o666); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "many files, in the order of their names",
			spoil: func(t *testing.T, l *Layout) {
				for _, name := range "hbfdgcae" {
					put(t, l.ConfigDir+"/providers.d/"+string(name)+".conf", 0o644)
					setOwner(t, l.ConfigDir+"/providers.d/"+string(name)+".conf", 0, commandUID, 0o600)
				}
			},
			want: []string{
				"mode:opk/providers.d/a.conf:0600->0640", "mode:opk/providers.d/b.conf:0600->0640", "mode:opk/providers.d/c.conf:0600->0640",
				"mode:opk/providers.d/d.conf:0600->0640", "mode:opk/providers.d/e.conf:0600->0640", "mode:opk/providers.d/f.conf:0600->0640",
				"mode:opk/providers.d/g.conf:0600->0640", "mode:opk/providers.d/h.conf:0600->0640",
			},
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
			name: "large, and nothing to copy",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.ConfigDir+"/auth_id", 0, 0, 0o600)
				if err := os.Truncate(l.ConfigDir+"/auth_id", MaxSize+1); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"group:opk/auth_id:gid 0->gid 61001", "mode:opk/auth_id:0600->0640"},
		},
		{
			name: "the log beside the rules, by another path",
			spoil: func(t *testing.T, l *Layout) {
				put(t, l.ConfigDir+"/opkssh.log", 0o600)
				setOwner(t, l.ConfigDir+"/opkssh.log", commandUID, commandUID, 0o600)
				makeLink(t, "opk", filepath.Dir(l.ConfigDir)+"/log")
				l.LogFile = filepath.Dir(l.ConfigDir) + "/log/opkssh.log"
			},
		},
		{
			name: "the log beside the rules, in a folder that others can write",
			spoil: func(t *testing.T, l *Layout) {
				l.LogFile = l.ConfigDir + "/opkssh.log"
				put(t, l.LogFile, 0o600)
				setOwner(t, l.LogFile, commandUID, commandUID, 0o600)
				setOwner(t, l.ConfigDir, 0, commandUID, 0o770)
			},
			want: []string{"mode:opk:0770->0750?"},
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
			name: "several names, and nothing to mend",
			spoil: func(t *testing.T, l *Layout) {
				if err := os.Link(l.ConfigDir+"/auth_id", filepath.Dir(l.ConfigDir)+"/copy"); err != nil {
					t.Fatal(err)
				}
			},
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
			name: "some other folder as the cache, with nothing of the verifier's",
			spoil: func(t *testing.T, l *Layout) {
				removeAll(t, l.CacheDir+"/provider-op.example.com-00.json")
				setOwner(t, l.CacheDir, 0, 0, 0o755)
				put(t, l.CacheDir+"/unrelated", 0o644)
			},
			want: []string{"!cache"}, left: []string{"!cache"},
		},
		{
			name: "the cache is root's, and has a log of what was logged",
			spoil: func(t *testing.T, l *Layout) {
				removeAll(t, l.CacheDir+"/provider-op.example.com-00.json")
				setOwner(t, l.CacheDir, 0, 0, 0o700)
				put(t, l.CacheDir+"/logged", 0o644)
				setOwner(t, l.CacheDir+"/logged", commandUID, commandUID, 0o600)
			},
			want: []string{"owner:cache:uid 0->uid 61001"},
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

// TestFixKeepsFiles: a file that root alone could write is no copy afterwards.
func TestFixKeepsFiles(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/config.yml"
	setOwner(t, path, 0, 0, 0o600)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := told(l, l.Apply(false)); len(got) != 2 {
		t.Errorf("expected another group and mode, got %q", got)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("expected the same file, got %v, %v", after, err)
	}
}

// TestPermissionProblems: what is not mended is said, with what to do where that is known.
func TestPermissionProblems(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(t *testing.T, l *Layout, dir string)
		create bool
		want   []string // path: problem (how the hint begins), with DIR for the folder
	}{
		{"the folder below a file", func(_ *testing.T, l *Layout, dir string) { l.ConfigDir += "/auth_id/opk" }, true,
			[]string{"DIR/opk/auth_id/opk: not a directory ()"}},
		{"the folder in a missing one", func(_ *testing.T, l *Layout, dir string) { l.ConfigDir = dir + "/missing/opk" }, true,
			[]string{"DIR/missing/opk: no such file or directory ()"}},
		{"a file in the place of the folder", func(_ *testing.T, l *Layout, dir string) { l.ConfigDir += "/auth_id" }, false,
			[]string{"DIR/opk/auth_id: expected a directory, got a regular file ()"}},
		{"a file in the place of a folder for drop-ins", func(t *testing.T, l *Layout, dir string) {
			removeAll(t, l.ConfigDir+"/policy.d")
			put(t, l.ConfigDir+"/policy.d", 0o644)
		}, false, []string{"DIR/opk/policy.d: expected a directory, got a regular file ()"}},
		{"the cache below a file", func(_ *testing.T, l *Layout, dir string) { l.CacheDir = l.ConfigDir + "/auth_id/cache" }, true,
			[]string{"DIR/opk/auth_id/cache: not a directory ()"}},
		{"the cache in a missing folder", func(_ *testing.T, l *Layout, dir string) { l.CacheDir = dir + "/missing/cache" }, true,
			[]string{"DIR/missing/cache: no such file or directory ()"}},
		{"a file in the place of the cache", func(_ *testing.T, l *Layout, dir string) { l.CacheDir = l.ConfigDir + "/auth_id" }, false,
			[]string{"DIR/opk/auth_id: not a directory ()"}},
		{"the log below a file", func(_ *testing.T, l *Layout, dir string) { l.LogFile = l.ConfigDir + "/auth_id/log" }, true,
			[]string{"DIR/opk/auth_id/log: not a directory ()"}},
		{"the log in a missing folder", func(_ *testing.T, l *Layout, dir string) { l.LogFile = dir + "/missing/log" }, true,
			[]string{"DIR/missing/log: no such file or directory ()"}},
		{"the log in somebody else's folder", func(t *testing.T, l *Layout, dir string) {
			l.LogFile = dir + "/log/opkssh.log"
			if err := os.Mkdir(dir+"/log", 0o755); err != nil {
				t.Fatal(err)
			}
			setOwner(t, dir+"/log", strangerID, strangerID, 0o755)
		}, true, []string{"DIR/log: owner: expected root, got uid 61002 (chown -h root 'DIR/log')"}},
		{"a folder in the place of the log", func(_ *testing.T, l *Layout, dir string) { l.LogFile = l.ConfigDir }, false,
			[]string{"DIR/opk: expected a regular file, got a directory ()"}},
		{"a missing log, which its user makes", func(t *testing.T, l *Layout, dir string) {
			l.LogFile = l.CacheDir + "/log"
		}, true, nil},
		{"a missing log in a missing folder, of root's", func(t *testing.T, l *Layout, dir string) {
			l.User = &Account{Name: "root"}
			l.LogFile = dir + "/missing/log"
			setOwner(t, l.CacheDir, 0, 0, 0o700)
			setOwner(t, l.CacheDir+"/provider-op.example.com-00.json", 0, 0, 0o600)
		}, false, []string{"DIR/missing/log: it is missing, and the user root cannot make it there (verifier permissions install)"}},
		{"a missing log", func(_ *testing.T, l *Layout, dir string) { l.LogFile = dir + "/log" }, false,
			[]string{"DIR/log: it is missing, and the user opksshuser cannot make it there (verifier permissions install)"}},

		{"a link to a file that others can write", func(t *testing.T, l *Layout, dir string) {
			rename(t, l.ConfigDir+"/auth_id", dir+"/other")
			setOwner(t, dir+"/other", 0, 0, 0o666)
			makeLink(t, dir+"/other", l.ConfigDir+"/auth_id")
		}, false, []string{"DIR/other: mode: expected not writable by group or others, got 0666 (" + copyHint + ")"}},
		{"somebody else's link", func(t *testing.T, l *Layout, dir string) {
			rename(t, l.ConfigDir+"/auth_id", dir+"/other")
			makeLink(t, dir+"/other", l.ConfigDir+"/auth_id")
			strangers(t, l.ConfigDir+"/auth_id")
		}, false, []string{"DIR/opk/auth_id: owner: expected root, got uid 12345 (chown -h root 'DIR/opk/auth_id')"}},
		{"a link to nowhere", func(t *testing.T, l *Layout, dir string) {
			removeAll(t, l.ConfigDir+"/auth_id")
			makeLink(t, dir+"/other", l.ConfigDir+"/auth_id")
		}, true, []string{"DIR/opk/auth_id: no such file or directory ()"}},

		{"a file for another group", func(t *testing.T, l *Layout, dir string) { setOwner(t, l.ConfigDir+"/auth_id", 0, strangerID, 0o640) }, false,
			[]string{"DIR/opk/auth_id: the user opksshuser cannot read it: expected a group of that user, got gid 61002 " +
				"(chgrp 61001 'DIR/opk/auth_id'; chmod g+r 'DIR/opk/auth_id')"}},
		{"a file for another group, where others can put another one", func(t *testing.T, l *Layout, dir string) {
			setOwner(t, l.ConfigDir+"/policy.d", 0, commandUID, 0o777)
			setOwner(t, l.ConfigDir+"/policy.d/a.yml", 0, strangerID, 0o640)
		}, false, []string{
			"DIR/opk/policy.d:  ()", // its mode is a change
			"DIR/opk/policy.d/a.yml: the user opksshuser cannot read it: expected a group of that user, got gid 61002 " +
				"(verifier permissions fix, and look again: others can put another file there until then)",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLayout(t)
			dir := filepath.Dir(l.ConfigDir)
			test.spoil(t, l, dir)
			var got []string
			for _, c := range l.Plan(test.create) {
				got = append(got, strings.ReplaceAll(fmt.Sprintf("%s: %s (%s)", c.Path, c.Problem, c.Hint), dir, "DIR"))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("expected %q, got %q", test.want, got)
			}
		})
	}
}

// TestPlanWithoutACurrentFolder: a relative path means nothing then, least of all the root folder.
func TestPlanWithoutACurrentFolder(t *testing.T) {
	noCurrentFolder(t)
	for _, user := range []*Account{{Name: "opksshuser", UID: commandUID, GID: commandUID}, {Name: "root"}} {
		l := &Layout{ConfigDir: "opk", CacheDir: "cache", User: user}
		changes := l.Plan(true)
		if len(changes) != 2 || changes[0].Path != "opk" || changes[1].Path != "cache" || changes[0].Problem == "" || changes[1].Problem == "" {
			t.Errorf("for %s: expected that both folders are problems, got %+v", user.Name, changes)
		}
	}
}

// TestPlanOfALargeFile: as much as is read can be copied.
func TestPlanOfALargeFile(t *testing.T) {
	l := newLayout(t)
	path := l.ConfigDir + "/ca.pem"
	setOwner(t, path, strangerID, 0, 0o644)
	if err := os.Truncate(path, MaxSize); err != nil {
		t.Fatal(err)
	}
	if got, want := told(l, l.Plan(false)), []string{"owner:opk/ca.pem:uid 61002->uid 0?"}; !slices.Equal(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
}

// TestItemsThatChange: what is there by now is not what was looked at, and what is gone is not made.
func TestItemsThatChange(t *testing.T) {
	l := newLayout(t)
	w := &layoutWalk{Layout: l, create: true, apply: true}
	dir := filepath.Dir(l.ConfigDir)
	path := l.ConfigDir + "/auth_id"
	if file := w.openItem(unix.AT_FDCWD, dir+"/gone", "gone", want{readable: true}); file != nil {
		t.Error("a file that is gone was opened")
	}
	opened, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	w.otherItem(opened, "gone", "gone")
	w.cacheFile(opened, "gone", "gone")
	if len(w.changes) != 0 || exists(dir+"/gone") {
		t.Errorf("a file that is gone: got %+v", w.changes)
	}
	for _, folder := range []bool{false, true} {
		at := path
		if folder {
			at = l.CacheDir
		}
		before := state(t, dir)
		file, err := createItem(unix.AT_FDCWD, at, want{folder: folder, mode: 0o755}, strangerID)
		if !errors.Is(err, fs.ErrExist) || file != nil || fmt.Sprint(before) != fmt.Sprint(state(t, dir)) {
			t.Errorf("%s: expected that it is there, got %v, %v", at, file, err)
		}
	}
	file, err := createItem(unix.AT_FDCWD, dir+"/new", want{mode: 0o644}, strangerID)
	if err != nil || file == nil {
		t.Fatalf("expected a file, got %v, %v", file, err)
	}
	names := w.names(file, "new")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if len(names) != 0 || len(w.changes) != 1 || w.changes[0].Problem != "not a directory" {
		t.Errorf("the names in a file: got %q and %+v", names, w.changes)
	}
	if file := w.openItem(unix.AT_FDCWD, path+"/x", "x", want{}); file != nil || len(w.changes) != 2 || w.changes[1].Problem != "not a directory" {
		t.Errorf("an item below a file: got %+v", w.changes)
	}
}

// TestPutAnew: a copy stands in the place of the file that was looked at, or of none.
func TestPutAnew(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string, st *unix.Stat_t)
		flags   int
		want    error
	}{
		{"the same file", func(*testing.T, string, *unix.Stat_t) {}, os.O_RDONLY, nil},
		{"another device", func(_ *testing.T, _ string, st *unix.Stat_t) { st.Dev++ }, os.O_RDONLY, ErrChanged},
		{"another file", func(_ *testing.T, _ string, st *unix.Stat_t) { st.Ino++ }, os.O_RDONLY, ErrChanged},
		{"a second name", func(t *testing.T, path string, _ *unix.Stat_t) {
			if err := os.Link(path, path+"-2"); err != nil {
				t.Fatal(err)
			}
		}, os.O_RDONLY, ErrChanged},
		{"a lock that cannot be taken", func(t *testing.T, path string, _ *unix.Stat_t) {
			symlink(t, path, filepath.Dir(path)+"/.f.lock")
		}, os.O_RDONLY, unix.ELOOP},
		{"a file that cannot be read", func(*testing.T, string, *unix.Stat_t) {}, os.O_WRONLY, unix.EBADF},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			path := write(t, dir+"/f", "xyz", 0o666)
			file, err := os.OpenFile(path, test.flags, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			var st unix.Stat_t
			if err := unix.Fstat(int(file.Fd()), &st); err != nil {
				t.Fatal(err)
			}
			st.Size = 2 // what is written meanwhile is not copied
			test.prepare(t, path, &st)
			before := names(t, dir)
			err = putAnew(file, &st, path, access{effectiveUID(), uint32(os.Getegid()), 0o644, path})
			if !errors.Is(err, test.want) {
				t.Errorf("expected %v, got %v", test.want, err)
			}
			if test.want == nil {
				wantText(t, path, "xy")
				wantMode(t, path, 0o644)
			} else {
				wantText(t, path, "xyz")
				wantMode(t, path, 0o666)
			}
			wantOnly(t, dir, before...)
		})
	}
}

// TestMayWrite: as the owner, or else in the group, or else as one of the others.
func TestMayWrite(t *testing.T) {
	w := &layoutWalk{Layout: &Layout{User: &Account{UID: commandUID, GID: commandUID}}, groups: []uint32{commandUID, 7}}
	root := &layoutWalk{Layout: &Layout{User: &Account{}}}
	for _, test := range []struct {
		uid, gid uint32
		mode     uint32
		want     bool
	}{
		{commandUID, 0, 0o200, true}, {commandUID, commandUID, 0o577, false},
		{0, commandUID, 0o020, true}, {0, 7, 0o020, true}, {0, 7, 0o757, false},
		{0, 0, 0o002, true}, {0, 0, 0o775, false},
	} {
		var st unix.Stat_t
		st.Uid, st.Gid = test.uid, test.gid
		st.Mode |= unix.S_IFREG
		for bit := uint(0); bit < 9; bit++ {
			if test.mode>>bit&1 != 0 {
				st.Mode |= 1 << bit
			}
		}
		if got := w.mayWrite(&st); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
		if !root.mayWrite(&st) {
			t.Errorf("%+v: expected that root may", test)
		}
	}
}

// TestLogHint: root gives nobody a name that others can make stand for another file.
func TestLogHint(t *testing.T) {
	const give, elsewhere = "if nothing else writes it: chown -h 61001 '", "name a log in a folder of root's"
	for _, test := range []struct {
		above, mode fs.FileMode
		uid         int // of the folder
		want        string
	}{
		{0o755, 0o755, 0, give}, {0o755, 0o775, 0, give}, {0o755, 0o777, 0, elsewhere}, {0o755, 0o755, strangerID, elsewhere}, {0o775, 0o755, 0, elsewhere},
	} {
		l := newLayout(t)
		above := filepath.Dir(l.ConfigDir) + "/var"
		l.LogFile = above + "/log/opkssh.log"
		if err := os.MkdirAll(filepath.Dir(l.LogFile), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, l.LogFile, 0o640)
		setOwner(t, filepath.Dir(l.LogFile), test.uid, strangerID, test.mode)
		setOwner(t, above, 0, strangerID, test.above)
		changes := l.Plan(false)
		if len(changes) != 1 || !strings.HasPrefix(changes[0].Hint, test.want) {
			t.Errorf("%+v: got %+v", test, changes)
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
