package faults_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/tracer"
)

// runProgramKilledAt is runKilledAt for any program of ours. What it says to others is not counted: that changes no file.
func runProgramKilledAt(t *testing.T, cmd *exec.Cmd, program string, n int) (killedBefore string) {
	t.Helper()
	tracer.Run(t, cmd, program, func(call *tracer.Call) (kill bool) {
		name := writing(call)
		switch name {
		case "", "write", "write null":
			return false
		}
		if n--; n == 0 {
			killedBefore = name
		}
		return n == 0
	})
	return killedBefore
}

// killAtEachWrite runs a program again and again and kills it one writing call later each time, until it comes to its end.
// Before each run prepare makes everything as it was; after each kill look is told the call that was not made any more.
func killAtEachWrite(t *testing.T, program string, prepare func() *exec.Cmd, look func(call string)) {
	t.Helper()
	var calls []string
	for n := 1; ; n++ {
		call := runProgramKilledAt(t, prepare(), program, n)
		if call == "" {
			break
		}
		calls = append(calls, call)
		look(call)
		if t.Failed() {
			t.Fatalf("killed before call %d that writes, %s", n, call)
		}
	}
	wantKills(t, calls, "create", "fsync", "rename")
}

// image is a system in a folder.
type image struct{ dir string }

func newImage(t *testing.T) *image {
	t.Helper()
	i := &image{filepath.Join(t.TempDir(), "image")}
	for _, folder := range []string{"var/lib", "var/cache", "usr/local/bin", "etc/ssh/sshd_config.d", "etc/systemd/system"} {
		check(t, os.MkdirAll(filepath.Join(i.dir, folder), 0o755))
	}
	for name, text := range map[string]string{
		"etc/passwd":              "root:x:0:0:root:/root:/bin/bash\nmessagebus:x:999:999::/:/usr/sbin/nologin\n",
		"etc/shadow":              "root:*:20000:0:99999:7:::\n",
		"etc/group":               "root:x:0:\nmessagebus:x:999:\n",
		"etc/gshadow":             "root:*::\n",
		"etc/ssh/sshd_config":     "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n",
		"etc/sudoers.d/README":    "",
		"usr/sbin/nologin":        "",
		"usr/lib/systemd/systemd": "",
	} {
		path := filepath.Join(i.dir, name)
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, "shadow") {
			mode = 0o600
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(text), mode))
	}
	return i
}

func (i *image) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(endtoend.Verifier(t), append(args, "--root", i.dir)...)
}

// files are what the image holds. Under names that begin with a dot is what nothing reads: locks, and what was being written.
func (i *image) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path, entry := range snapshot(t, i.dir) {
		if name := strings.TrimPrefix(path, i.dir); !strings.HasPrefix(filepath.Base(name), ".") {
			// Whose group is there already gets the next number as a user: the group has the one that both would have.
			files[name] = strings.ReplaceAll(entry, "997:998", "998:998")
		}
	}
	return files
}

// TestInstallKilled: wherever an installation ends, each file is whole, with its mode and owner: the one of before, or the one that
// it was to become. The next one goes on, and the system is the one that an installation makes that nobody has disturbed.
func TestInstallKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	undisturbed := newImage(t)
	before := undisturbed.files(t)
	if a := run(t, undisturbed.command(t, "install")); a.code != 0 {
		t.Fatalf("exit code %d\n%s", a.code, a.stderr)
	}
	installed := undisturbed.files(t)
	var i *image
	killAtEachWrite(t, endtoend.Verifier(t), func() *exec.Cmd {
		i = newImage(t)
		return i.command(t, "install")
	}, func(call string) {
		for name, entry := range i.files(t) {
			info, err := os.Lstat(filepath.Join(i.dir, name))
			check(t, err)
			if info.Mode().IsRegular() && entry != before[name] && entry != installed[name] {
				t.Errorf("%s: expected the old file or the new one, got %.200q", name, entry)
			}
		}
		if a := run(t, i.command(t, "install")); a.code != 0 {
			t.Errorf("the next installation: exit code %d\n%s", a.code, a.stderr)
		}
		after := i.files(t)
		for name, entry := range installed {
			if after[name] != entry {
				t.Errorf("%s: expected %.200q, got %.200q", name, entry, after[name])
			}
		}
		if len(after) != len(installed) {
			t.Errorf("expected %d files, got %d", len(installed), len(after))
		}
		check(t, os.RemoveAll(i.dir))
	})
}
