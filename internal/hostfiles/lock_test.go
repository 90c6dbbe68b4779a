//go:build unix

package hostfiles

import (
	"errors"
	"testing"
	"time"
)

// TestLock: one at a time, and nothing is left of it.
func TestLock(t *testing.T) {
	dir := folder(t)
	unlock, err := Lock(dir+"/f", 0)
	if err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, ".f.lock")
	if _, err := Lock(dir+"/f", 0); !errors.Is(err, ErrBusy) {
		t.Errorf("expected ErrBusy, got %v", err)
	}
	time.AfterFunc(50*time.Millisecond, unlock)
	unlock, err = Lock(dir+"/f", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	wantOnly(t, dir)
}
