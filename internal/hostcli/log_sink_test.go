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

// What a full disk left of a line stands alone. What somebody else is about to end does not get an end from us.
func TestLineWithoutItsEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	other, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	want := ""
	step := func(there, written string) {
		t.Helper()
		if _, err := other.WriteString(there); err != nil {
			t.Fatal(err)
		}
		sink := openFileSink(name)
		if err := sink.write(slog.LevelInfo, []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
		if err := sink.file.Close(); err != nil {
			t.Fatal(err)
		}
		want += there + written
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Fatalf("expected %q, got %q, %v", want, got, err)
		}
	}
	step("", "{}\n")
	step(`{"a":1}`+"\n", "{}\n")
	step(`{"a":`, "\n{}\n")
	step("", "{}\n")
	if locked, err := filelock.Try(other); !locked || err != nil {
		t.Fatalf("expected the lock, got %v, %v", locked, err)
	}
	step(`{"a":`, "{}\n")
	step(`{"a":`, "{}\n")
	if err := filelock.Release(other); err != nil {
		t.Fatal(err)
	}
	step(`{"a":`, "\n{}\n")
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
