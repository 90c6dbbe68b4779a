package hostfiles

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEditOnAFailingDisk: an edit that is not done for good is an error, and the file stays as it was.
func TestEditOnAFailingDisk(t *testing.T) {
	for name, call := range map[string]uint32{"writing down": unix.SYS_FSYNC, "renaming": unix.SYS_RENAMEAT, "locking": unix.SYS_FLOCK} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			path := write(t, dir+"/f", "x", 0o600)
			done := time.AfterFunc(time.Minute, func() { panic("editing does not end") })
			defer done.Stop()
			withFailing(t, call, unix.EIO, func() {
				if changed, err := editOwned(path, me(), NewFile{}, appending("y")); changed || !errors.Is(err, unix.EIO) {
					t.Errorf("expected EIO, got %v, %v", changed, err)
				}
			})
			wantText(t, path, "x")
			if name != "locking" { // which leaves the name behind: perhaps somebody else has that lock
				wantOnly(t, dir, "f")
			}
		})
	}
	dir := folder(t)
	withFailing(t, unix.SYS_FSYNC, unix.EIO, func() {
		if err := syncFolder(dir); !errors.Is(err, unix.EIO) {
			t.Errorf("to write down a folder: expected EIO, got %v", err)
		}
	})
}
