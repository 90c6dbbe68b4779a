package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"opkssh/integration/process"
)

// TestCacheFolderFaults: alice gets in without a usable folder while the provider is up, and with what is held while it is down.
func TestCacheFolderFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(t *testing.T, h *host, folder string) (mend func())
		held  bool // what is held can be read in spite of the fault
	}{
		"full":      {full, true},
		"read-only": {readOnly, true},
		"of somebody else": {func(t *testing.T, _ *host, folder string) func() {
			check(t, os.Chown(folder, 65534, 65534))
			return func() { check(t, os.Chown(folder, 0, 0)) }
		}, false},
		"writable by others": {func(t *testing.T, _ *host, folder string) func() {
			check(t, os.Chmod(folder, 0o777))
			return func() { check(t, os.Chmod(folder, 0o700)) }
		}, false},
		"with files of somebody else": {func(t *testing.T, _ *host, folder string) func() {
			files, err := filepath.Glob(filepath.Join(folder, "*"))
			check(t, err)
			for _, file := range files {
				check(t, os.Chown(file, 65534, 65534))
			}
			return func() {}
		}, false},
		"with folders in the places of its files": {func(t *testing.T, _ *host, folder string) func() {
			files, err := filepath.Glob(filepath.Join(folder, "*"))
			check(t, err)
			for _, file := range files {
				check(t, os.Remove(file))
				check(t, os.MkdirAll(filepath.Join(file, "x"), 0o700))
			}
			return func() {
				for _, file := range files {
					check(t, os.RemoveAll(file))
				}
			}
		}, false},
		"with temporary files that cannot be removed": {func(t *testing.T, h *host, folder string) func() {
			name := filepath.Join(folder, strings.TrimSuffix(filepath.Base(h.keysFile(t)), ".json"))
			for _, suffix := range []string{".json.tmp", ".attempt.tmp"} {
				check(t, os.MkdirAll(filepath.Join(name+suffix, "x"), 0o700))
			}
			return func() {
				check(t, os.RemoveAll(name+".json.tmp"))
				check(t, os.RemoveAll(name+".attempt.tmp"))
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.guardFiles(t)
			folder := h.ownFileSystem(t)
			h.cacheFrom(t, folder)
			mend := test.fault(t, h, folder)
			h.wantOthersOut(t)
			h.wantIn(t)
			h.op.refuse()
			if test.held {
				h.wantIn(t)
			} else if a := h.verify(t, h.alice); a.in(t, h.alice) == (a.reason == "keys-unavailable") {
				t.Fatalf("expected alice to get in, or the reason keys-unavailable, got %q and\n%s", a.stdout, a.stderr)
			}
			h.wantOthersOut(t)
			mend()
			h.op.mend(t)
			h.wantIn(t)
			h.op.refuse()
			h.wantIn(t)
			h.wantOthersOut(t)
		})
	}
}

// TestColdCacheFull: nothing of what is fetched can be kept.
func TestColdCacheFull(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	folder := h.ownFileSystem(t)
	mend := full(t, h, folder)
	h.wantIn(t)
	h.wantOthersOut(t)
	if left, err := filepath.Glob(filepath.Join(folder, "provider-*.json*")); err != nil || len(left) > 0 {
		t.Fatalf("expected no half of a file, got %q, %v", left, err)
	}
	mend()
	h.wantIn(t)
	h.op.refuse()
	h.wantIn(t)
}

// ownFileSystem gives the host's cache folder a small file system in a mount namespace, and the path under which it is seen from here.
func (h *host) ownFileSystem(t *testing.T) (folder string) {
	t.Helper()
	p := process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount -t tmpfs -o size=256k,mode=0700 cache "$1" && echo mounted && exec sleep 3600`, "sh", h.cache))
	p.WaitFor(t, "the file system", func() bool { return strings.Contains(p.Log(), "mounted") })
	pid := strconv.Itoa(p.PID)
	h.within = []string{"nsenter", "--mount", "--target", pid}
	return filepath.Join("/proc", pid, "root", h.cache)
}

// cacheFrom fills the cache, keeps a copy outside, and makes what is held old, so that the next login writes.
func (h *host) cacheFrom(t *testing.T, folder string) {
	t.Helper()
	h.wantIn(t)
	inside := h.cache
	h.cache = folder
	h.moveCache(t, -3*time.Hour)
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	check(t, err)
	h.cache = inside
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(inside, filepath.Base(file)), data, 0o600))
	}
}

func full(t *testing.T, _ *host, folder string) (mend func()) {
	t.Helper()
	filler := filepath.Join(folder, "filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // fails when nothing is left
	if err := os.WriteFile(filepath.Join(folder, "more"), []byte("x"), 0o600); err == nil {
		t.Fatal("expected a full file system")
	}
	return func() {
		check(t, os.Remove(filler))
		check(t, os.Remove(filepath.Join(folder, "more")))
	}
}

func readOnly(t *testing.T, h *host, _ string) (mend func()) {
	t.Helper()
	remount := func(how string) {
		t.Helper()
		line := append(append([]string{}, h.within...), "mount", "-o", "remount,"+how, h.cache)
		if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	remount("ro")
	return func() { remount("rw") }
}

// TestDamagedCacheFiles: cut off anywhere, overwritten with zeros as after a power cut, or with bits turned over.
func TestDamagedCacheFiles(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	h.warm(t)
	path := h.keysFile(t)
	whole, err := os.ReadFile(path)
	check(t, err)
	damaged := map[string][]byte{"zeros": make([]byte, len(whole)), "twice": append(append([]byte{}, whole...), whole...), "a byte more": append(append([]byte{}, whole...), 'x')}
	for cut := 0; cut < len(whole)-1; cut += len(whole)/8 + 1 {
		damaged[fmt.Sprintf("cut after %d bytes", cut)] = whole[:cut]
		zeros := append([]byte{}, whole...)
		clear(zeros[cut:])
		damaged[fmt.Sprintf("zeros after %d bytes", cut)] = zeros
	}
	for name, data := range damaged {
		t.Run(name, func(t *testing.T) {
			check(t, os.WriteFile(path, data, 0o600))
			h.op.refuse()
			h.wantReason(t, h.alice, "keys-unavailable")
			h.wantOthersOut(t)
			h.op.mend(t)
			h.wantIn(t)
			h.wantCacheSound(t)
			h.wantOthersOut(t)
		})
	}
	t.Run("bits", func(t *testing.T) {
		for at := 0; at < len(whole); at += len(whole)/40 + 1 {
			turned := append([]byte{}, whole...)
			turned[at] ^= 1 << (at % 8)
			check(t, os.WriteFile(path, turned, 0o600))
			h.wantOthersOut(t)
			if a := h.verify(t, h.alice); a.code != 0 {
				t.Fatalf("byte %d: exit code %d\n%s", at, a.code, a.stderr)
			}
		}
	})
}
