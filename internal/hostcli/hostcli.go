// Package hostcli is the command line of hosts: the program verifier, and the same commands in opkssh.
//
// Results go to standard output, everything else to standard error, lower case, without a full stop, with a line `hint:` where
// the reader can do something. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
package hostcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/printable"
)

const (
	exitRefused = 1
	exitUsage   = 2
)

// exitError is an error that knows its exit status: the program opkssh, which has these commands too, asks for it by the
// methods ExitCode and Hint. Without a text nothing is printed.
type exitError struct {
	text, hint string
	code       int
}

func (e *exitError) Error() string { return e.text }
func (e *exitError) ExitCode() int { return e.code }
func (e *exitError) Hint() string  { return e.hint }

// errRefused: what there is to say has been said.
var errRefused = &exitError{code: exitRefused}

func usageError(err error) error {
	return &exitError{text: err.Error(), hint: "add --help for what is expected", code: exitUsage}
}

// Commands are the commands of hosts.
func Commands() []*cobra.Command {
	commands := []*cobra.Command{
		verifyCommand(), readHomeCommand(), lockCommand(), unlockCommand(), locksCommand(),
		explainCommand(), addCommand(), removeCommand(), listCommand(), checkCommand(), testCommand(),
		auditCommand(), permissionsCommand(), keysCommand(), doctorCommand(), monitorCommand(),
	}
	return append(commands, installCommands()...)
}

// CommandsFor are the commands that these arguments may need: what sshd waits for, or all, which takes time to make.
func CommandsFor(args []string) []*cobra.Command {
	switch {
	case len(args) > 0 && args[0] == "verify":
		return []*cobra.Command{verifyCommand()}
	case len(args) > 0 && args[0] == monitorName:
		return []*cobra.Command{monitorCommand()}
	}
	return Commands()
}

// Root is the program verifier with all its commands.
func Root() *cobra.Command { return root(Commands()) }

func root(commands []*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:           "verifier",
		Short:         "decide for sshd who may log in with an OpenID Connect identity",
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(commands...)
	return root
}

// Main runs the program verifier and returns its exit status.
func Main(args []string) int {
	root := root(CommandsFor(args))
	root.SetArgs(args)
	root.SetOut(os.Stdout)
	command, err := root.ExecuteContextC(context.Background())
	if err == nil {
		return 0
	}
	exit := &exitError{text: err.Error(), code: exitRefused}
	if !errors.As(err, &exit) && command == root {
		exit.code, exit.hint = exitUsage, "verifier --help"
		// cobra's text goes on with suggestions over several lines.
		exit.text, _, _ = strings.Cut(exit.text, "\n")
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			exit.hint = "did you mean " + strings.Join(near, " or ")
		}
	}
	if exit.text != "" {
		fmt.Fprintf(os.Stderr, "verifier: %s\n", printable.Text(exit.text))
	}
	if exit.hint != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", printable.Text(exit.hint))
	}
	return exit.code
}

// versionText is what stands behind a program's name in its answer to --version.
func versionText() string {
	return fmt.Sprintf("%s (%s, %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
