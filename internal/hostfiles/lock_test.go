//go:build unix

package hostfiles

import (
	"errors"
	"sync"
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

// TestLockOfAFileThatIsGone: whoever gets the lock of a file that somebody has removed meanwhile has nothing.
func TestLockOfAFileThatIsGone(t *testing.T) {
	dir := folder(t)
	path, name := dir+"/f", dir+"/.f.lock"
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				unlock, err := Lock(path, 0)
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !exists(name) {
					t.Error("expected that the lock that was taken is there")
				}
				unlock()
			}
		})
	}
	wg.Wait()
}
