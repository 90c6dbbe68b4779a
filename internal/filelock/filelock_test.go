package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"opkssh/internal/filelock"
)

func TestOneAtATime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	var inside, most atomic.Int32
	var crowd sync.WaitGroup
	unlockFirst, waited, err := filelock.Lock(t.Context(), name, nil)
	if err != nil || waited {
		t.Fatalf("expected the lock at once, got %t, %v", waited, err)
	}
	started := make(chan struct{}, 8)
	for range 8 {
		crowd.Go(func() {
			started <- struct{}{}
			unlock, _, err := filelock.Lock(t.Context(), name, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			inside.Add(-1)
			unlock()
		})
	}
	for range 8 {
		<-started
	}
	if inside.Load() != 0 {
		t.Error("somebody got the lock while it was held")
	}
	unlockFirst()
	crowd.Wait()
	if most.Load() != 1 {
		t.Errorf("expected one at a time, got %d", most.Load())
	}
}

func TestWaitingCanBeGivenUp(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, _, err := filelock.Lock(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, waited, err := filelock.Lock(ctx, name, nil); !errors.Is(err, enough) || !waited {
		t.Errorf("expected %v after waiting, got %v, %t", enough, err, waited)
	}
}

// A file that its holder removed is locked by nobody who opened it before.
func TestTheHolderMayRemoveTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	var inside, most atomic.Int32
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for range 50 {
				unlock, _, err := filelock.Lock(t.Context(), name, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				if err := os.Remove(name); err != nil && runtime.GOOS != "windows" {
					t.Error(err)
				}
				unlock()
			}
		})
	}
	crowd.Wait()
	if most.Load() != 1 {
		t.Errorf("expected one at a time, got %d", most.Load())
	}
}

func TestTheFolderHasToBeThere(t *testing.T) {
	if _, _, err := filelock.Lock(t.Context(), filepath.Join(t.TempDir(), "missing", "lock"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected %v, got %v", os.ErrNotExist, err)
	}
}
