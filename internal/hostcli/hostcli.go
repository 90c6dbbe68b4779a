// Package hostcli is the command line of hosts: the program verifier, and the same commands in opkssh.
//
// Results go to standard output, everything else to standard error, lower case, without a full stop, with a line `hint:` where
// the reader can do something. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
package hostcli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
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
	root := commandgroup.New("verifier", "decide for sshd who may log in with an OpenID Connect identity", `  verifier install
  verifier add root alice@example.com google
  verifier doctor alice`)
	root.Version = versionText()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.DisableFlagsInUseLine = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(versionCommand())
	root.AddCommand(commands...)
	return root
}

// Main runs the program verifier and returns its exit status.
func Main(args []string) int {
	root := root(CommandsFor(args))
	root.SetArgs(args)
	root.SetOut(os.Stdout)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var exit interface {
		error
		ExitCode() int
		Hint() string
	} = &exitError{text: err.Error(), code: exitRefused}
	errors.As(err, &exit)
	if text := exit.Error(); text != "" {
		fmt.Fprintf(os.Stderr, "verifier: %s\n", printable.Text(text))
	}
	if hint := exit.Hint(); hint != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", printable.Text(hint))
	}
	return exit.ExitCode()
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Example: "  verifier version",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "verifier "+versionText())
			return err
		},
	}
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
