package demo

import (
	"fmt"
	"io"
	"strings"
)

// transcript is what the person at the terminal reads: numbered steps, what is seen in each, and what that proves.
type transcript struct {
	out   io.Writer
	steps int
}

func (t *transcript) text(line string) { t.line("", line) }

func (t *transcript) step(title string) {
	t.steps++
	_, _ = fmt.Fprintf(t.out, "\n%d. %s\n", t.steps, title)
}

// shown is something as it is in a file, on a command line or in an answer.
func (t *transcript) shown(text string) { t.line("     ", text) }

func (t *transcript) detail(name, value string) { t.line("   ", fmt.Sprintf("%-12s %s", name, value)) }

// proof says what was checked just now.
func (t *transcript) proof(text string) { t.line("   ok: ", text) }

func (t *transcript) line(indent, text string) {
	for line := range strings.Lines(text) {
		_, _ = fmt.Fprintf(t.out, "%s%s\n", indent, strings.TrimRight(line, "\n"))
	}
}
