package hostfiles

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReadRows: what comes back is the file with the unwanted lines empty, wherever reads and lines end.
func TestReadRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var text strings.Builder
		for text.Len() < 2*rowsBuffer {
			text.WriteString(strings.Repeat("x", random.IntN(80)))
			if random.IntN(50) == 0 {
				text.WriteString("keep")
			}
			if random.IntN(2000) == 0 {
				text.WriteString(strings.Repeat("long", rowsBuffer/3))
			}
			text.WriteString([]string{"\n", "\r\n", "\n\n"}[random.IntN(3)])
		}
		text.WriteString([]string{"", "end", "keep"}[random.IntN(3)])
		keep := func(line []byte) bool { return bytes.Contains(line, []byte("keep")) }
		var want []string
		lines := strings.Split(text.String(), "\n")
		for i, line := range lines {
			if !keep([]byte(line)) && i < len(lines)-1 {
				line = ""
			}
			want = append(want, line)
		}
		for _, chunk := range []int{1 << 20, 4096, 1000} {
			got, err := readRows(&chunks{strings.NewReader(text.String()), chunk}, int64(text.Len()), keep)
			if err != nil || string(got) != strings.Join(want, "\n") {
				t.Fatalf("chunks of %d: %d bytes, %v", chunk, len(got), err)
			}
		}
	}
}

// chunks reads a few bytes at a time.
type chunks struct {
	r    *strings.Reader
	size int
}

func (c *chunks) Read(b []byte) (int, error) { return c.r.Read(b[:min(len(b), c.size)]) }

// TestReadRowsKeepsAll: with nobody to say which, and of a small file, all lines come back.
func TestReadRowsKeepsAll(t *testing.T) {
	none := func([]byte) bool { return false }
	for _, test := range []struct {
		size int
		keep func([]byte) bool
	}{{rowsBuffer, none}, {rowsBuffer, nil}, {rowsBuffer + 2, nil}} {
		text := strings.Repeat("a\n", test.size/2)
		if got, err := readRows(strings.NewReader(text), int64(len(text)), test.keep); err != nil || string(got) != text {
			t.Errorf("%d bytes: got %d, %v", len(text), len(got), err)
		}
	}
}

func TestReadRowsOfAFileThatChanges(t *testing.T) {
	keep := func([]byte) bool { return true }
	text := strings.Repeat("a\n", rowsBuffer)
	// It has grown, and it has shrunk.
	for _, size := range []int{len(text) - 3, len(text) + 3} {
		got, err := readRows(strings.NewReader(text), int64(size), keep)
		if want := text[:min(size, len(text))]; err != nil || string(got) != want {
			t.Errorf("size %d: expected %d bytes, got %d, %v", size, len(want), len(got), err)
		}
	}
	for _, text := range []string{"", "a", "a\nb"} {
		if got, err := readRows(strings.NewReader(text), 10, keep); err != nil || string(got) != text {
			t.Errorf("10 bytes: expected %q, got %q, %v", text, got, err)
		}
	}
	broken := errors.New("broken")
	for _, size := range []int64{10, 2 * rowsBuffer} {
		if _, err := readRows(iotest.ErrReader(broken), size, keep); !errors.Is(err, broken) {
			t.Errorf("size %d: expected the reader's error, got %v", size, err)
		}
	}
}
