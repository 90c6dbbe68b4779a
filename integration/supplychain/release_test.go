// Package supplychain_test holds what is promised of a release: that it can be rebuilt, what it is made from, and what its units may do.
package supplychain_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// builder is who makes a release, and where.
type builder struct {
	checkout string
	umask    string
	env      []string // beside those of the test
	user     *syscall.Credential
}

// release builds this machine's programs, without the network.
func (b builder) release(t *testing.T) (string, error) {
	t.Helper()
	out, err := b.run("make", "release", "TARGETS=linux/"+runtime.GOARCH).CombinedOutput()
	return string(out), err
}

func (b builder) run(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("sh", append([]string{"-c", `umask "$0" && exec "$@"`, b.umask, name}, args...)...)
	cmd.Dir = b.checkout
	cmd.Env = append(append(os.Environ(), "MAKEFLAGS=", "GOTOOLCHAIN=local", "GOPROXY=off"), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.user}
	return cmd
}

// author is whoever runs the test, with what was compiled before.
func author(t *testing.T, repository string) builder {
	t.Helper()
	b := builder{checkout: filepath.Join(t.TempDir(), "opkssh"), umask: "022", env: []string{"TZ=UTC", "LC_ALL=C"}}
	clone(t, repository, b.checkout)
	return b
}

// stranger has nothing in common with the author but the commit, the Go release and the machine: another folder, another user, and a
// home, a cache and modules of their own.
func stranger(t *testing.T, repository string) builder {
	t.Helper()
	home := t.TempDir()
	b := builder{
		checkout: filepath.Join(home, "downloads", "opkssh-checked-by-a-stranger"),
		umask:    "077",
		env: []string{
			"TZ=Pacific/Chatham", "LC_ALL=C.UTF-8", "USER=stranger", "HOME=" + home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=",
			"GOENV=off", "GOPATH=" + filepath.Join(home, "go"), "GOMODCACHE=", "GOCACHE=" + filepath.Join(home, "cache"), "GOTMPDIR=",
			"GOFLAGS=-tags=stranger", "GOAMD64=v3", "GOARM64=v9.0", "CGO_ENABLED=1", "SOURCE_DATE_EPOCH=0",
		},
	}
	clone(t, repository, b.checkout)
	if os.Geteuid() == 0 {
		b.user = &syscall.Credential{Uid: nobody, Gid: nobody}
		for _, folder := range []string{filepath.Dir(home), home} {
			if err := os.Chmod(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}

	// The modules come from what the author has downloaded. What is fetched here can be removed again.
	downloads, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	fetch := b
	fetch.user, fetch.umask = nil, "022"
	fetch.env = append(slices.Clone(b.env), "GOFLAGS=-modcacherw", "GOSUMDB=off",
		"GOPROXY=file://"+filepath.Join(strings.TrimSpace(string(downloads)), "cache", "download"))
	if out, err := fetch.run("go", "list", "-deps", "./cmd/opkssh", "./cmd/verifier", "./integration/supplychain/sbom").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b.user != nil {
		err := filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, nobody, nobody)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// made has the files of a release by their names.
func made(t *testing.T, b builder) map[string][]byte {
	t.Helper()
	if out, err := b.release(t); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := filepath.Join(b.checkout, "bin", "release")
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(folder, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestReleaseIsReproducible: two people who build one commit get the same bytes, and the checksums beside them are right.
func TestReleaseIsReproducible(t *testing.T) {
	source := repository(t)
	ours, theirs := author(t, source), stranger(t, source)
	first, second := made(t, ours), made(t, theirs)

	opkssh, verifier := "opkssh-linux-"+runtime.GOARCH, "verifier-linux-"+runtime.GOARCH
	want := []string{"SHA256SUMS", opkssh, opkssh + ".cdx.json", verifier, verifier + ".cdx.json"}
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Errorf("expected %v, got %v", want, got)
	}
	for _, name := range want {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s: expected the same file from both builds, got %d and %d bytes that differ", name, len(first[name]), len(second[name]))
		}
	}
	if t.Failed() {
		for _, b := range []builder{ours, theirs} {
			out, _ := b.run("go", "version", "-m", filepath.Join("bin", "release", opkssh)).CombinedOutput()
			t.Logf("%s", out)
		}
	}

	check := ours.run("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = filepath.Join(ours.checkout, "bin", "release")
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != len(want)-1 {
		t.Errorf("expected every file but SHA256SUMS in it, got %v\n%s", err, out)
	}

	for program, want := range map[string]string{opkssh: "opkssh " + tag + " (", verifier: "verifier version " + tag + " ("} {
		out, err := exec.Command(filepath.Join(check.Dir, program), "--version").Output()
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("expected the version of the tag, %q, got %q, %v", want, out, err)
		}
	}
}

// TestReleaseWantsACleanCheckout: nobody can rebuild what no commit holds.
func TestReleaseWantsACleanCheckout(t *testing.T) {
	b := author(t, repository(t))
	if err := os.WriteFile(filepath.Join(b.checkout, "cmd", "verifier", "extra.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := b.release(t); err == nil || !strings.Contains(out, "expected a clean checkout") {
		t.Errorf("expected a refusal, got %v\n%s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(b.checkout, ".git")); err != nil {
		t.Fatal(err)
	}
	if out, err := b.release(t); err == nil || !strings.Contains(out, "expected a git checkout") {
		t.Errorf("without git: expected a refusal, got %v\n%s", err, out)
	}
}
