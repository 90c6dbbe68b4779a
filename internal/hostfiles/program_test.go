//go:build unix

package hostfiles

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
)

// TestRunProgram: what it says counts up to a limit, and is there for a program that fails, too.
func TestRunProgram(t *testing.T) {
	dir := folder(t)
	for _, test := range []struct {
		name, text string
		most       int
		want       string
		complaint  string
		err        string // a part of the error
	}{
		{"as much as may be", "printf 12345", 5, "12345", "", ""},
		{"nothing", "exit 0", 0, "", "", ""},
		{"one byte more", "printf 123456", 5, "123456", "", "at most 5 bytes"},
		{"words beside it", "printf 1; printf ' a\\nb \\n' >&2", 5, "1", ": a; b", ""},
		{"much beside it", "head -c 1000000 /dev/zero | tr '\\0' y >&2; printf 1", 5, "1", ": " + strings.Repeat("y", 1<<10), ""},
		{"a program that fails", "printf 1; printf a >&2; exit 3", 5, "1", ": a", "exit status 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := runProgram(t.Context(), test.most, script(t, dir+"/p", test.text))
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("expected the error %q, got %v", test.err, err)
			}
			if answer == nil || string(answer.stdout) != test.want || answer.complaint() != test.complaint {
				t.Errorf("expected %q and %q, got %+v", test.want, test.complaint, answer)
			}
			var exit *exec.ExitError
			if failed := strings.HasPrefix(test.err, "exit status"); errors.As(err, &exit) != failed {
				t.Errorf("expected that it is an exit status: %v, got %v", failed, err)
			}
		})
	}
	answer, err := runProgram(t.Context(), 5, dir+"/missing")
	if !errors.Is(err, fs.ErrNotExist) || answer.complaint() != "" {
		t.Errorf("a missing program: got %+v, %v", answer, err)
	}
}
