package usercli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/internal/login"
)

// openTerminal gives both ends of a pseudo-terminal: what a person types goes into keys.
func openTerminal(t *testing.T) (keys, screen *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return keys, screen
}

// readTyped gives what typed leads to, at a terminal in the state in which a person finds it.
func readTyped(t *testing.T, typed string) (answers []string, said string, err error) {
	t.Helper()
	keys, screen := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	p := newPasteInput(&terminal{in: screen, out: io.Discard, err: &output})
	go func() {
		// As soon as the terminal hands out single bytes, and no sooner: a pseudo-terminal cuts long lines too.
		for {
			if now, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS); err != nil || now.Lflag&unix.ICANON == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_, _ = io.WriteString(keys, typed)
	}()
	for err == nil {
		var text string
		if text, err = p.read(t.Context(), ""); err == nil {
			answers = append(answers, text)
		}
		if after, statErr := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS); statErr != nil || *after != *before {
			t.Errorf("the terminal is not as it was: %+v, %v", after, statErr)
		}
		if strings.Count(typed, "\r")+strings.Count(typed, "\n") == len(answers) && err == nil {
			break
		}
	}
	return answers, output.String(), err
}

func TestPasteIntoTerminal(t *testing.T) {
	long := "http://localhost:3000/login-callback?code=" + strings.Repeat("abcdefghi-", 1400) + "&state=b"
	for name, c := range map[string]struct {
		typed string
		want  []string
	}{
		"code":                    {"hush-code\r", []string{"hush-code"}},
		"longer than a line":      {long + "\r", []string{long}},
		"line feed":               {"hush-code\n", []string{"hush-code"}},
		"marked as pasted":        {"\x1b[200~hush-code\x1b[201~\r", []string{"hush-code"}},
		"corrected":               {"hush-cofx\x7f\x08de\r", []string{"hush-code"}},
		"corrected, two bytes":    {"hüx\x7f\x7f\x7fhush-code\r", []string{"hush-code"}},
		"cleared":                 {"not this\x15hush-code\r", []string{"hush-code"}},
		"nothing to correct":      {"\x7fhush-code\r", []string{"hush-code"}},
		"Ctrl-D after characters": {"hush\x04-code\r", []string{"hush-code"}},
		"two lines":               {"hush-\rcode\r", []string{"hush-", "code"}},
		"without end":             {strings.Repeat("x", 100<<10) + "\r", []string{strings.Repeat("x", login.MaxPasted+1)}},
	} {
		t.Run(name, func(t *testing.T) {
			answers, said, err := readTyped(t, c.typed)
			if err != nil {
				t.Fatal(err)
			}
			if len(answers) != len(c.want) {
				t.Fatalf("expected %d answers, got %q", len(c.want), answers)
			}
			for i, answer := range answers {
				if answer != c.want[i] {
					t.Errorf("expected %d bytes %.100q, got %d bytes %.100q", len(c.want[i]), c.want[i], len(answer), answer)
				}
			}
			if strings.Contains(said, "hush") || !strings.Contains(said, "characters") {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestPasteIsGivenUp(t *testing.T) {
	_, _, err := readTyped(t, "half an answ\x03")
	if e := (*login.Error)(nil); !errors.As(err, &e) || e.Code != login.CodeCanceled {
		t.Errorf("Ctrl-C: got %v", err)
	}
	if _, _, err := readTyped(t, "\x04"); !errors.Is(err, io.EOF) {
		t.Errorf("Ctrl-D: got %v", err)
	}

	// The login ended otherwise while somebody was asked.
	_, screen := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newPasteInput(&terminal{in: screen, err: io.Discard}).read(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if after, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v, %v", after, err)
	}
}
