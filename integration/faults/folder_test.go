package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/integration/smalldisk"
)

// TestCacheFolderFaults: alice gets in without a usable folder while the provider is up, and with what is held while it is down.
func TestCacheFolderFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(t *testing.T, h *host, disk *smalldisk.Disk) (mend func())
		held  bool // what is held can be read in spite of the fault
	}{
		"full":      {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() { return disk.Fill(t, 0) }, true},
		"read-only": {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() { return disk.ReadOnly(t) }, true},
		"of somebody else": {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() {
			check(t, os.Chown(disk.Folder, 65534, 65534))
			return func() { check(t, os.Chown(disk.Folder, 0, 0)) }
		}, false},
		"writable by others": {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() {
			check(t, os.Chmod(disk.Folder, 0o777))
			return func() { check(t, os.Chmod(disk.Folder, 0o700)) }
		}, false},
		"with files of somebody else": {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() {
			files, err := filepath.Glob(filepath.Join(disk.Folder, "*"))
			check(t, err)
			for _, file := range files {
				check(t, os.Chown(file, 65534, 65534))
			}
			return func() {}
		}, false},
		"with folders in the places of its files": {func(t *testing.T, _ *host, disk *smalldisk.Disk) func() {
			files, err := filepath.Glob(filepath.Join(disk.Folder, "*"))
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
		"with temporary files that cannot be removed": {func(t *testing.T, h *host, disk *smalldisk.Disk) func() {
			name := filepath.Join(disk.Folder, strings.TrimSuffix(filepath.Base(h.keysFile(t)), ".json"))
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
			disk := h.ownDisk(t)
			h.cacheFrom(t, disk.Folder)
			mend := test.fault(t, h, disk)
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
	disk := h.ownDisk(t)
	mend := disk.Fill(t, 0)
	h.wantIn(t)
	h.wantOthersOut(t)
	if left, err := filepath.Glob(filepath.Join(disk.Folder, "provider-*.json*")); err != nil || len(left) > 0 {
		t.Fatalf("expected no half of a file, got %q, %v", left, err)
	}
	mend()
	h.wantIn(t)
	h.op.refuse()
	h.wantIn(t)
}

// ownDisk gives the host's cache folder a small file system.
func (h *host) ownDisk(t *testing.T) *smalldisk.Disk {
	t.Helper()
	disk := smalldisk.Mount(t, h.cache)
	h.within = disk.Inside
	return disk
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
