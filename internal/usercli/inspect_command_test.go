package usercli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestInputHasALimit(t *testing.T) {
	for size, ok := range map[int]bool{maxInput: true, maxInput + 1: false} {
		input := bytes.Repeat([]byte("\n"), size)
		name := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(name, input, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readInput(nil, name); (err == nil) != ok {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
		if _, err := readInput(bytes.NewReader(input), "-"); (err == nil) != ok {
			t.Errorf("standard input of %d bytes: %v", size, err)
		}
	}
}
