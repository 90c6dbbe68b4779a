// Package smalldisk has file systems that are soon full, or read-only. A test needs root for them.
package smalldisk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"opkssh/integration/process"
)

// Disk is a file system of 256 KiB that only commands see that are run inside.
type Disk struct {
	// Inside is the command that runs another one where the disk is mounted.
	Inside []string
	// Folder is the path of the disk for those who are not inside.
	Folder string

	mounted string
}

// Mount mounts a disk over folder, in a mount namespace of its own that ends with the test.
func Mount(t testing.TB, folder string) *Disk {
	t.Helper()
	p := process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount -t tmpfs -o size=256k,mode=0700 disk "$1" && echo mounted && exec sleep 3600`, "sh", folder))
	p.WaitLog(t, "mounted")
	pid := strconv.Itoa(p.PID)
	return &Disk{Inside: []string{"nsenter", "--mount", "--target", pid}, Folder: filepath.Join("/proc", pid, "root", folder), mounted: folder}
}

// Fill leaves so many bytes, to the next page, until mend is called.
func (d *Disk) Fill(t testing.TB, but int) (mend func()) {
	t.Helper()
	room, filler := filepath.Join(d.Folder, "room"), filepath.Join(d.Folder, "filler")
	err := os.WriteFile(room, make([]byte, but), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // fails when nothing is left
	if err := os.WriteFile(filepath.Join(d.Folder, "more"), []byte("x"), 0o600); err == nil {
		t.Fatal("expected a full disk")
	}
	if err := os.Remove(room); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		for _, file := range []string{filler, filepath.Join(d.Folder, "more")} {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// ReadOnly lets nobody write until mend is called.
func (d *Disk) ReadOnly(t testing.TB) (mend func()) {
	t.Helper()
	remount := func(how string) {
		t.Helper()
		line := append(append([]string{}, d.Inside...), "mount", "-o", "remount,"+how, d.mounted)
		if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
		}
	}
	remount("ro")
	return func() { t.Helper(); remount("rw") }
}
