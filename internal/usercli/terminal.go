package usercli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"opkssh/internal/printable"
)

// How opkssh speaks. Every command keeps to this, and no other file prints:
//
//   - What was asked for goes to standard output: the report of inspect, status and logout, the version, and with --json one object.
//     A login's result is its files, so that without --json and the --print flags it prints nothing there.
//   - Everything else goes to standard error: what happens, questions, warnings, errors. Standard input is read for an answer
//     to a question, when it is a terminal, and for `inspect -`.
//   - Lines are lower case, without a full stop. An error starts with `opkssh: `. Where the reader can do something about it,
//     a line that starts with `hint: ` follows.
//   - Details that only help to find a fault come with -v.
//   - Tokens, providers and files are other people's text. Each line is made printable as a whole before it is written:
//     control characters, escape sequences and characters that turn the direction of writing appear as \u escapes.
//   - Secrets are never written: private keys, tokens as they are, client secrets. `login --print-key` is the one that may.
//   - With `login --log-dir`, what goes to standard error goes to a file too, with the details. What only the person may see, such
//     as an address with the state of a login in it, is no note but unlogged.
//   - The exit code is 0 when it is done, 1 when it was refused or failed (Ctrl-C too), 2 for wrong usage. That of
//     status says more: see its help.
type terminal struct {
	in       *os.File
	out, err io.Writer
	verbose  bool
	log      *os.File // of --log-dir, nil without
}

// result writes one line of what was asked for.
func (t *terminal) result(format string, args ...any) { writeLine(t.out, format, args...) }

// note writes one line about what happens.
func (t *terminal) note(format string, args ...any) {
	writeLine(t.err, format, args...)
	t.logLine(format, args...)
}

// detail is a note for -v.
func (t *terminal) detail(format string, args ...any) {
	if t.verbose {
		t.note(format, args...)
	} else {
		t.logLine(format, args...)
	}
}

// hint says what the reader can do.
func (t *terminal) hint(text string) { t.note("hint: %s", text) }

// question writes the start of a line, which the answer completes.
func (t *terminal) question(text string) { _, _ = io.WriteString(t.err, printable.Text(text)) }

// interactive is whether somebody can answer a question.
func (t *terminal) interactive() bool { return term.IsTerminal(int(t.in.Fd())) }

// json writes one object. What JSON leaves as it is, and a terminal would obey, is written as \u escapes too.
func (t *terminal) json(value any) error { return printable.JSON(t.out, value) }

// writeLine drops the error, as fmt.Print's callers do: nobody is left to tell it to.
func writeLine(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(w, printable.Text(fmt.Sprintf(format, args...))+"\n")
}
