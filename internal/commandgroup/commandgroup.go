// Package commandgroup is for commands that hold others and do nothing by themselves.
package commandgroup

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// New makes a command to which others are added.
func New(name, short, example string) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Example: example}
	Make(c)
	return c
}

// Make lets a command do nothing by itself: without one of its own commands it is wrong usage. The error is an [*UsageError].
func Make(c *cobra.Command) {
	c.Args = expectCommand
	c.RunE = func(*cobra.Command, []string) error { return nil }
	c.SuggestionsMinimumDistance = 2
}

// UsageError is a command line without a command, or with one that there is not.
type UsageError struct{ text, hint string }

func (e *UsageError) Error() string { return e.text }

// ExitCode is that of wrong usage.
func (e *UsageError) ExitCode() int { return 2 }

// Hint is what the reader can do.
func (e *UsageError) Hint() string { return e.hint }

func expectCommand(c *cobra.Command, args []string) error {
	e := &UsageError{text: "expected a command", hint: c.CommandPath() + " --help"}
	if len(args) > 0 {
		e.text = fmt.Sprintf("unknown command %q", args[0])
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			e.hint = "did you mean " + strings.Join(near, " or ")
		}
	}
	return e
}
