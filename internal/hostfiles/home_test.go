//go:build unix

package hostfiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tester is an account with its home folder in dir. It is not root where the test is, so that what is root's passes for it.
func tester(t *testing.T, dir string) *Account {
	t.Helper()
	account := &Account{Name: "tester", UID: uint32(os.Geteuid()), Home: dir + "/home"}
	if account.UID == 0 {
		account.UID = 4711
	}
	write(t, account.HomeFile(), "x", 0o600)
	for _, path := range []string{account.Home, account.Home + "/.opk", account.HomeFile()} {
		give(t, path, account.UID)
	}
	chmod(t, account.Home, 0o755)
	return account
}

// give makes a user the owner. Only root can; for others all is theirs from the start.
func give(t *testing.T, path string, uid uint32) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, int(uid), -1); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func TestReadHome(t *testing.T) {
	const missing = "missing"
	tests := []struct {
		name    string
		prepare func(t *testing.T, a *Account)
		want    string // the detail of a Fault, missing, or "" for success
		got     string // of the Fault, if it matters
	}{
		{"as it should be", func(*testing.T, *Account) {}, "", ""},
		{"closed to others", func(t *testing.T, a *Account) {
			chmod(t, a.Home, 0o700)
			chmod(t, a.Home+"/.opk", 0o700)
			chmod(t, a.HomeFile(), 0o400)
		}, "", ""},
		{"readable by others", func(t *testing.T, a *Account) { chmod(t, a.HomeFile(), 0o644) }, "", ""},
		{"on the way to the home folder a link", func(t *testing.T, a *Account) {
			rename(t, a.Home, a.Home+"-data")
			symlink(t, "home-data", a.Home)
		}, "", ""},
		{"user's own folder above", func(t *testing.T, a *Account) {
			rename(t, a.Home, a.Home+"-data")
			write(t, a.Home+"/x", "", 0o600)
			give(t, a.Home, a.UID)
			rename(t, a.Home+"-data", a.Home+"/deeper")
			a.Home += "/deeper"
		}, "", ""},

		{"file writable by the group", func(t *testing.T, a *Account) { chmod(t, a.HomeFile(), 0o660) }, "mode", "0660"},
		{"file writable by others", func(t *testing.T, a *Account) { chmod(t, a.HomeFile(), 0o602) }, "mode", "0602"},
		{".opk writable by the group", func(t *testing.T, a *Account) { chmod(t, a.Home+"/.opk", 0o770) }, "mode", "0770"},
		{".opk sticky", func(t *testing.T, a *Account) { chmod(t, a.Home+"/.opk", 0o777|os.ModeSticky) }, "mode", "1777"},
		{"home writable by others", func(t *testing.T, a *Account) { chmod(t, a.Home, 0o757) }, "mode", "0757"},
		{"home sticky", func(t *testing.T, a *Account) { chmod(t, a.Home, 0o777|os.ModeSticky) }, "mode", "1777"},
		{"folder above writable by others", func(t *testing.T, a *Account) { chmod(t, a.Home+"/..", 0o757) }, "mode", "0757"},

		{"a link to a file", func(t *testing.T, a *Account) {
			rename(t, a.HomeFile(), a.Home+"/rules")
			symlink(t, "../rules", a.HomeFile())
		}, "kind of file", "a symbolic link"},
		{"a dangling link", func(t *testing.T, a *Account) {
			remove(t, a.HomeFile())
			symlink(t, "nowhere", a.HomeFile())
		}, "kind of file", "a symbolic link"},
		{".opk a link", func(t *testing.T, a *Account) {
			rename(t, a.Home+"/.opk", a.Home+"/config")
			symlink(t, "config", a.Home+"/.opk")
		}, "kind of file", "a symbolic link"},
		{"a FIFO", func(t *testing.T, a *Account) {
			remove(t, a.HomeFile())
			if err := unix.Mkfifo(a.HomeFile(), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "kind of file", "a FIFO"},
		{"a folder", func(t *testing.T, a *Account) {
			remove(t, a.HomeFile())
			write(t, a.HomeFile()+"/x", "", 0o600)
		}, "kind of file", "a directory"},
		{"a socket", func(t *testing.T, a *Account) {
			remove(t, a.HomeFile())
			// Relative: a socket's path has 108 bytes at most.
			t.Chdir(a.Home + "/.opk")
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(fd) }()
			if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "auth_id"}); err != nil {
				t.Fatal(err)
			}
		}, "kind of file", "a socket"},
		{".opk a file", func(t *testing.T, a *Account) {
			remove(t, a.Home+"/.opk")
			write(t, a.Home+"/.opk", "x", 0o600)
		}, "kind of file", "a regular file"},
		{"home a file", func(t *testing.T, a *Account) {
			remove(t, a.Home)
			write(t, a.Home, "x", 0o600)
		}, "kind of file", "a regular file"},
		{"home a device", func(t *testing.T, a *Account) { a.Home = "/dev/null" }, "kind of file", "a device"},

		{"as large as may be", func(t *testing.T, a *Account) {
			write(t, a.HomeFile(), strings.Repeat("x", MaxHomeSize), 0o600)
		}, "", ""},
		{"too large", func(t *testing.T, a *Account) {
			if err := os.Truncate(a.HomeFile(), MaxHomeSize+1); err != nil {
				t.Fatal(err)
			}
		}, "size", "1048577 bytes"},

		{"no file", func(t *testing.T, a *Account) { remove(t, a.HomeFile()) }, missing, ""},
		{"no .opk", func(t *testing.T, a *Account) { remove(t, a.Home+"/.opk") }, missing, ""},
		{"no home", func(t *testing.T, a *Account) { remove(t, a.Home) }, missing, ""},
		{"no folder above", func(t *testing.T, a *Account) { a.Home += "-data/home" }, missing, ""},
		{"no home in passwd", func(t *testing.T, a *Account) { a.Home = "" }, missing, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			account := tester(t, folder(t))
			test.prepare(t, account)
			done := time.AfterFunc(time.Minute, func() { panic("reading does not end") })
			defer done.Stop()
			file, err := ReadHome(account)
			var fault *Fault
			switch {
			case test.want == "" && (err != nil || strings.Trim(string(file.Data), "x") != "" || len(file.Data) == 0 || file.Path != account.HomeFile()):
				t.Errorf("expected the file's content, got %+v, %v", file, err)
			case test.want == missing && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("expected that it does not exist, got %+v, %v", file, err)
			case test.want != "" && test.want != missing &&
				(!errors.As(err, &fault) || fault.Detail != test.want || test.got != "" && fault.Got != test.got):
				t.Errorf("expected a fault in %s, %s, got %+v, %v", test.want, test.got, file, err)
			}
		})
	}
}

// TestReadHomeOwner: what belongs to a third user, or may be written by others, is no use, and it is for the home folder's user to mend. Root
// gets no command there: it would follow what the user has put in its way until then.
func TestReadHomeOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	const (
		copied = "as tester: cd 'HOME/.opk' && cp auth_id new && chmod go-w new && mv -f new auth_id"
		made   = "as tester: mv 'HOME/.opk' 'HOME/.opk.old' && mkdir -m 700 'HOME/.opk'"
		none   = "it is its owner's to mend, not root's"
	)
	stranger := func(t *testing.T, path string, a *Account) { give(t, path, a.UID+1) }
	loose := func(t *testing.T, path string, _ *Account) { chmod(t, path, 0o775) }
	loosened := func(t *testing.T, path string, a *Account) { give(t, path, 0); loose(t, path, a) }
	for _, test := range []struct {
		name   string
		spoil  func(t *testing.T, path string, a *Account)
		detail string
		want   string // how the hint begins
		roots  bool   // the home folder and .opk are root's
	}{
		{"", stranger, "owner", "chown -h 'tester' 'HOME'", false},
		{"", loose, "mode", "chmod go-w 'HOME'", false},
		{"/.opk", stranger, "owner", made, false},
		{"/.opk", loose, "mode", "as tester: chmod go-w 'HOME/.opk'", false},
		{"/.opk", loosened, "mode", made, false},
		{"/.opk/auth_id", stranger, "owner", copied, false},
		{"/.opk/auth_id", loose, "mode", copied, false},
		{"/.opk/auth_id", loosened, "mode", copied, false},
		{"/.opk", stranger, "owner", "chown -h 'tester' 'HOME/.opk'", true},
		{"/.opk", loosened, "mode", "chmod go-w 'HOME/.opk'", true},
		{"/.opk/auth_id", stranger, "owner", "put a copy in its place, as root", true},
	} {
		account := tester(t, folder(t))
		if test.roots {
			give(t, account.Home, 0)
			give(t, account.Home+"/.opk", 0)
		}
		test.spoil(t, account.Home+test.name, account)
		var fault *Fault
		_, err := ReadHome(account)
		want := strings.ReplaceAll(test.want, "HOME", account.Home)
		if !errors.As(err, &fault) || fault.Detail != test.detail || !strings.HasPrefix(fault.Hint, want) {
			t.Errorf("%s, root's: %v: expected a fault in %s with the hint %s, got %+v", test.name, test.roots, test.detail, want, err)
		}
		if want := map[string]string{"owner": "root or tester", "mode": "not writable by group or others"}[test.detail]; fault.Expected != want {
			t.Errorf("%s: expected %q to be expected, got %q", test.name, want, fault.Expected)
		}
	}

	// A folder of the user's above the home folder is as much the user's.
	account := tester(t, folder(t))
	above := account.Home + "/team"
	write(t, above+"/home/x", "", 0o600)
	chmod(t, above, 0o775)
	give(t, above, account.UID)
	account.Home = above + "/home"
	var fault *Fault
	if _, err := ReadHome(account); !errors.As(err, &fault) || fault.Path != above || !strings.HasPrefix(fault.Hint, none) {
		t.Errorf("above: expected the hint %s, got %+v", none, err)
	}
	// So is one of root's in a folder of root's below it.
	chmod(t, above, 0o755)
	low := above + "/roots/low"
	write(t, low+"/home/x", "", 0o600)
	chmod(t, low, 0o775)
	account.Home = low + "/home"
	if _, err := ReadHome(account); !errors.As(err, &fault) || fault.Path != low || !strings.HasPrefix(fault.Hint, none) {
		t.Errorf("below: expected the hint %s, got %+v", none, err)
	}
}

// TestReadHomeHardLink: a name in a home folder for a file of root's, which the user may not read, says nothing. One that root has put where
// the user can put none does, and so does a file of the user's own.
func TestReadHomeHardLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	for _, test := range []struct {
		name         string
		owner        uint32 // of the file: 0, or else the user
		roots, wrong bool
		above        bool // is a folder of the user's
	}{
		{"root's", 0, false, true, false}, {"root's, in folders of root's", 0, true, false, false}, {"the user's own", 1, false, false, false},
		{"root's, in folders of root's below one of the user's", 0, true, true, true},
	} {
		account := tester(t, folder(t))
		rename(t, account.HomeFile(), account.Home+"-secret")
		if err := os.Link(account.Home+"-secret", account.HomeFile()); err != nil {
			t.Fatal(err)
		}
		if test.owner == 0 {
			give(t, account.HomeFile(), 0)
		}
		if test.roots {
			give(t, account.Home, 0)
			give(t, account.Home+"/.opk", 0)
		}
		if test.above {
			give(t, filepath.Dir(account.Home), account.UID)
		}
		file, err := ReadHome(account)
		var fault *Fault
		switch {
		case test.wrong && (!errors.As(err, &fault) || fault.Detail != "hard links" || fault.Got != "one with 2" || !strings.HasPrefix(fault.Hint, "as tester: ")):
			t.Errorf("%s: expected a fault in hard links, got %+v, %v", test.name, file, err)
		case !test.wrong && (err != nil || string(file.Data) != "x"):
			t.Errorf("%s: expected its content, got %v", test.name, err)
		}
	}
}

// TestReadHomeNames: another file of that name by now, or none, is not the one that is open.
func TestReadHomeNames(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/f", "x", 0o600)
	at, err := unix.Open(dir, folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	for _, test := range []struct {
		name   string
		file   string
		change func(st *unix.Stat_t)
		ok     bool
	}{
		{"the same", "f", func(*unix.Stat_t) {}, true},
		{"another file", "f", func(st *unix.Stat_t) { st.Ino++ }, false},
		{"on another device", "f", func(st *unix.Stat_t) { st.Dev++ }, false},
		{"none", "g", func(*unix.Stat_t) {}, false},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(dir+"/f", &st); err != nil {
			t.Fatal(err)
		}
		test.change(&st)
		err := (&Account{Name: "tester"}).checkNames(at, test.file, dir+"/"+test.file, &st)
		var fault *Fault
		switch {
		case test.ok != (err == nil):
			t.Errorf("%s: expected that it passes: %v, got %v", test.name, test.ok, err)
		case test.file == "g" && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("%s: expected that it does not exist, got %v", test.name, err)
		case !test.ok && test.file == "f" && (!errors.As(err, &fault) || fault.Got != "a name that stands for another file by now"):
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// TestReadHomeNowhere: no home folder is not the root folder, and the root folder may be one.
func TestReadHomeNowhere(t *testing.T) {
	for home, want := range map[string]string{"": ".opk", "/": "/.opk"} {
		account := &Account{Name: "tester", UID: uint32(os.Geteuid()), Home: home}
		var missing *fs.PathError
		if _, err := ReadHome(account); !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) || filepath.Clean(missing.Path) != want {
			t.Errorf("%q: expected that %s does not exist, got %v", home, want, err)
		}
	}
}

// TestReadHomeOfRoot: what root put there counts as well.
func TestReadHomeOfRoot(t *testing.T) {
	account := tester(t, folder(t))
	give(t, account.Home+"/.opk", 0)
	give(t, account.HomeFile(), 0)
	if file, err := ReadHome(account); err != nil || string(file.Data) != "x" {
		t.Errorf("got %+v, %v", file, err)
	}
}

// TestOpenNoLinks holds what kernels without openat2 get to the same as the others.
func TestOpenNoLinks(t *testing.T) {
	dir := folder(t)
	write(t, dir+"/a/b/c", "x", 0o600)
	symlink(t, "a", dir+"/link")
	symlink(t, "c", dir+"/a/b/link")
	at, err := unix.Open(dir, folderOnly|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	for name, open := range map[string]func(int, string, int) (int, error){"the system's": openNoLinks, "the other": openEachNoLinks} {
		for _, test := range []struct {
			path string
			ok   bool
		}{
			{"a/b/c", true}, {"a/b/d", false}, {"d/b/c", false}, {"a/b/c/d", false}, {"link/b/c", false}, {"a/b/link", false},
		} {
			fd, err := open(at, test.path, unix.O_RDONLY)
			if err == nil {
				_ = unix.Close(fd)
			}
			if (err == nil) != test.ok {
				t.Errorf("%s, %s: expected that it opens: %v, got %v", name, test.path, test.ok, err)
			}
		}
		for path, ok := range map[string]bool{"a/b": true, ".": true, "link": false, "a/b/c": false} {
			fd, err := open(at, path, folderOnly)
			if err == nil {
				_ = unix.Close(fd)
			}
			if (err == nil) != ok {
				t.Errorf("%s, folder %s: expected that it opens: %v, got %v", name, path, ok, err)
			}
		}
	}
}

func TestReadHomeThroughSudo(t *testing.T) {
	account := &Account{Name: `EXAMPLE\Ann.B`, UID: 70001, Home: "/home/ann"}
	for name, test := range map[string]struct {
		sudo      string
		want      string
		got, hint string // of the Fault, parts of them
	}{
		"content":          {sudo: `printf 'a\000\nb'`, want: "a\x00\nb"},
		"nothing":          {sudo: "exit 0"},
		"words beside it":  {sudo: "echo lecture >&2; echo x", want: "x\n"},
		"refused":          {sudo: "echo x; echo 'sudo: a password is required' >&2; exit 1", got: "sudo: a password is required", hint: "NOPASSWD: /opt/verifier readhome *"},
		"file at fault":    {sudo: "echo 'verifier: mode' >&2; echo 'hint: chmod go-w x' >&2; exit 1", got: "exit status 1: verifier: mode", hint: "chmod go-w x"},
		"killed":           {sudo: "echo x; kill -9 $$", got: "signal: killed", hint: "sudoers"},
		"too much":         {sudo: "yes", got: "at most 1048576 bytes", hint: "sudoers"},
		"much to complain": {sudo: "head -c 100000 /dev/zero | tr '\\0' y >&2; exit 1", got: "exit status 1: yyy", hint: "sudoers"},
		"no program":       {sudo: "", got: "no sudo", hint: "install sudo"},
	} {
		t.Run(name, func(t *testing.T) {
			sudo := folder(t) + "/sudo"
			if test.sudo != "" {
				script(t, sudo, test.sudo)
			}
			file, err := readHomeThrough(t.Context(), []string{sudo}, "/opt/verifier", account)
			var fault *Fault
			switch {
			case test.got == "" && (err != nil || string(file.Data) != test.want || file.Path != "/home/ann/.opk/auth_id"):
				t.Errorf("expected %q, got %+v, %v", test.want, file, err)
			case test.got != "" && (!errors.As(err, &fault) || !strings.Contains(fault.Got, test.got) || !strings.Contains(fault.Hint, test.hint)):
				t.Errorf("expected a fault with %q and the hint %q, got %+v", test.got, test.hint, err)
			case fault != nil && len(fault.Got) > 4096:
				t.Errorf("expected a short message, got %d bytes", len(fault.Got))
			}
			if said := asked(t, sudo); test.sudo != "" && !strings.HasPrefix(said, "-n\n/opt/verifier\nreadhome\nEXAMPLE\\Ann.B\n") {
				t.Errorf("arguments: got %q", said)
			}
		})
	}
	sudo := write(t, folder(t)+"/sudo", "#!/nonexistent/sh\n", 0o700)
	var fault *Fault
	if _, err := readHomeThrough(t.Context(), []string{sudo}, "/opt/verifier", account); !errors.As(err, &fault) || !strings.Contains(fault.Got, "no such file") {
		t.Errorf("a program that cannot be started: got %+v", err)
	}
}
