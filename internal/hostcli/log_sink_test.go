package hostcli

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"opkssh/internal/filelock"
)

// openLogs gives a file, as another process has it open, and a sink for it.
func openLogs(t *testing.T) (other *os.File, sink *fileSink) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	other, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	sink = openFileSink(name)
	t.Cleanup(func() { _, _ = other.Close(), sink.file.Close() })
	return other, sink
}

func holdLock(t *testing.T, other *os.File) {
	t.Helper()
	if locked, err := filelock.Try(other); !locked || err != nil {
		t.Fatalf("expected the lock, got %v, %v", locked, err)
	}
}

// What a full disk left of a line stands alone, also where somebody keeps the file's lock.
func TestLineWithoutItsEnd(t *testing.T) {
	other, sink := openLogs(t)
	want := ""
	step := func(there, written string) {
		t.Helper()
		if _, err := other.WriteString(there); err != nil {
			t.Fatal(err)
		}
		if err := sink.write(slog.LevelInfo, []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
		want += there + written
		if got, err := os.ReadFile(other.Name()); err != nil || string(got) != want {
			t.Fatalf("expected %q, got %q, %v", want, got, err)
		}
	}
	step("", "{}\n")
	step(`{"a":1}`+"\n", "{}\n")
	step(`{"a":`, "\n{}\n")
	step("", "{}\n")
	holdLock(t, other)
	step(`{"a":`, "\n{}\n")
	step("", "{}\n")
}

// What somebody else is about to end does not get an end from us.
func TestLineThatGrows(t *testing.T) {
	other, sink := openLogs(t)
	holdLock(t, other)
	stop, stopped := make(chan struct{}), make(chan struct{})
	if _, err := other.WriteString("1"); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := other.WriteString("1"); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	err := sink.write(slog.LevelInfo, []byte("{}\n"))
	close(stop)
	<-stopped
	if got, readErr := os.ReadFile(other.Name()); err != nil || readErr != nil || strings.Contains(strings.TrimRight(string(got), "1\n"), "\n") {
		t.Errorf("expected one line as long as it grows, got %d, %v, %v", bytes.Count(got, []byte("\n")), err, readErr)
	}
}

// The lock is waited for once, however many lines there are.
func TestLockThatIsKept(t *testing.T) {
	other, sink := openLogs(t)
	holdLock(t, other)
	for range 3 {
		if err := sink.write(slog.LevelInfo, []byte("{}\n")); err != nil || !sink.late {
			t.Fatalf("expected a line after waiting, got %v, %v", err, sink.late)
		}
		if _, waited := sink.lock(); waited {
			t.Error("expected no more waiting")
		}
	}
}

// TestLinesOfACrowd: lines that cross a page are there in part for a moment, for others to see.
func TestLinesOfACrowd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	const writers, lines = 50, 100
	line := strings.Repeat("x", 699) + "\n"
	var crowd sync.WaitGroup
	for range writers {
		crowd.Go(func() {
			for range lines {
				sink := openFileSink(name)
				if err := sink.write(slog.LevelInfo, []byte(line)); err != nil {
					t.Error(err)
				}
				_ = sink.file.Close()
			}
		})
	}
	crowd.Wait()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat(line, writers*lines); string(got) != want {
		t.Errorf("expected %d lines of %d bytes, got %d bytes in %d", writers*lines, len(line), len(got), bytes.Count(got, []byte("\n")))
	}
}
