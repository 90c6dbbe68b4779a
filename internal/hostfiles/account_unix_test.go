//go:build unix

package hostfiles

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// script is a program that stands in for one of the system's, and leaves its arguments, standard input and environment in path.asked.
func script(t *testing.T, path, text string) string {
	t.Helper()
	return write(t, path, "#!/bin/sh\n{ printf '%s\\n' \"$@\"; cat; env; } >'"+path+".asked'\n"+text+"\n", 0o700)
}

func asked(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path + ".asked")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestLookupAccount(t *testing.T) {
	dir := folder(t)
	local := write(t, dir+"/passwd", passwd, 0o644)
	for name, test := range map[string]struct {
		user, getent string
		want         string // the home folder
		err          error  // nil for any, where want is ""
		asks         bool
	}{
		"local":                    {user: "alice", getent: "echo 'alice:x:9:9::/elsewhere:'", want: "/home/alice"},
		"of a directory service":   {user: `EXAMPLE\Ann.B`, getent: `printf '%s\n' "$2:*:70001:70001::/home/EXAMPLE/ann:/bin/sh"`, want: "/home/EXAMPLE/ann", asks: true},
		"with an at sign":          {user: "ann@example.com", getent: `printf '%s\n' "$2:*:70001:70001::/home/ann:/bin/sh"`, want: "/home/ann", asks: true},
		"not found":                {user: "ann", getent: "exit 2", err: ErrNoAccount, asks: true},
		"not found, whatever else": {user: "ann", getent: "echo ann:x:1000:1000::/home/ann:/bin/sh; exit 2", err: ErrNoAccount, asks: true},
		"silence":                  {user: "ann", getent: "exit 0", err: ErrNoAccount, asks: true},
		"another name for it":      {user: "1000", getent: "echo ann:x:1000:1000::/home/ann:/bin/sh", err: ErrNoAccount, asks: true},
		"another case":             {user: "ANN", getent: "echo ann:x:1000:1000::/home/ann:/bin/sh", err: ErrNoAccount, asks: true},
		"found, but it fails":      {user: "ann", getent: "echo ann:x:1000:1000::/home/ann:/bin/sh; exit 3", asks: true},
		"too much":                 {user: "ann", getent: "echo ann:x:1000:1000::/home/ann:/bin/sh; yes", asks: true},
		"the entry makes no sense": {user: "ann", getent: "echo ann:x:y:1000::/home/ann:/bin/sh", asks: true},
		"no name":                  {user: "--service=files", getent: "echo x", err: ErrUserName},
	} {
		t.Run(name, func(t *testing.T) {
			getent := script(t, folder(t)+"/getent", test.getent)
			users := userDatabase{local, []string{dir + "/missing", getent}}
			account, err := users.lookup(t.Context(), test.user)
			switch {
			case test.want != "" && (err != nil || account.Home != test.want || account.Name != test.user):
				t.Errorf("expected the home folder %s, got %+v, %v", test.want, account, err)
			case test.want == "" && err == nil:
				t.Errorf("expected an error, got %+v", account)
			case test.err != nil && !errors.Is(err, test.err), test.err == nil && errors.Is(err, ErrNoAccount):
				t.Errorf("expected the error %v, got %v", test.err, err)
			}
			said := asked(t, getent)
			if (said != "") != test.asks {
				t.Errorf("expected that getent is asked: %v, got %q", test.asks, said)
			}
			if test.asks && !strings.HasPrefix(said, "passwd\n"+test.user+"\n") {
				t.Errorf("arguments: got %q", said)
			}
		})
	}
}

func TestLookupAccountWithoutGetent(t *testing.T) {
	dir := folder(t)
	for _, passwd := range []string{write(t, dir+"/passwd", passwd, 0o644), dir + "/missing"} {
		if account, err := (userDatabase{passwd, []string{dir + "/getent"}}).lookup(t.Context(), "ann"); !errors.Is(err, ErrNoAccount) {
			t.Errorf("%s: expected ErrNoAccount, got %+v, %v", passwd, account, err)
		}
	}
}

// TestLookupAccountUnreadable: an account that is in no passwd that could be opened may be in one that could not.
func TestLookupAccountUnreadable(t *testing.T) {
	dir := folder(t)
	passwd := symlink(t, "passwd", dir+"/passwd")
	getent := script(t, dir+"/getent", "echo ann:x:1000:1000::/home/ann:/bin/sh")
	if account, err := (userDatabase{passwd, []string{getent}}).lookup(t.Context(), "ann"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("expected ELOOP, got %+v, %v", account, err)
	}
	if said := asked(t, getent); said != "" {
		t.Errorf("expected that getent is not asked, got %q", said)
	}
}

func TestLookupLocalAccount(t *testing.T) {
	defer func(was userDatabase) { hostUsers = was }(hostUsers)
	dir := folder(t)
	getent := script(t, dir+"/getent", "echo ann:x:1000:1000::/home/ann:/bin/sh")
	hostUsers = userDatabase{write(t, dir+"/passwd", passwd+"-x:x:9:9::/home/x:/bin/sh\n", 0o644), []string{getent}}
	if account, err := LookupLocalAccount("alice"); err != nil || account == nil || account.UID != 1001 {
		t.Errorf("expected alice, got %+v, %v", account, err)
	}
	for name, want := range map[string]error{"ann": ErrNoAccount, "-x": ErrUserName, "": ErrUserName} {
		if account, err := LookupLocalAccount(name); !errors.Is(err, want) {
			t.Errorf("%q: expected %v, got %+v, %v", name, want, account, err)
		}
	}
	if said := asked(t, getent); said != "" {
		t.Errorf("expected that getent is not asked, got %q", said)
	}
}

// TestProgramsSeeNothing: no standard input, no environment of ours.
func TestProgramsSeeNothing(t *testing.T) {
	t.Setenv("LD_PRELOAD_LOOKALIKE", "x")
	getent := script(t, folder(t)+"/getent", "exit 2")
	if _, err := (userDatabase{"/nonexistent", []string{getent}}).lookup(t.Context(), "ann"); !errors.Is(err, ErrNoAccount) {
		t.Fatal(err)
	}
	for line := range strings.Lines(asked(t, getent)) {
		switch name, _, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "passwd", "ann", "PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_":
		default:
			t.Errorf("unexpected %q", line)
		}
	}
}

// TestProgramThatDoesNotEnd: it and what it started are killed, and the answer does not wait for what holds its output open.
func TestProgramThatDoesNotEnd(t *testing.T) {
	dir := folder(t)
	getent := write(t, dir+"/getent", "#!/bin/sh\nsleep 600 &\necho $! >'"+dir+"/pid'\nwait\n", 0o700)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	started := time.Now()
	_, err := (userDatabase{"/nonexistent", []string{getent}}).lookup(ctx, "ann")
	if err == nil || errors.Is(err, ErrNoAccount) || time.Since(started) > 5*time.Minute {
		t.Errorf("expected an error soon, got %v after %v", err, time.Since(started))
	}
	data, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(data)) + "/cwd"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what it started still runs")
		}
	}
}
