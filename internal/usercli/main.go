// Package usercli is the command line of opkssh, as a person uses it: flags and environment in, a library call, words out.
package usercli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
)

// Main runs opkssh with the arguments after the program's name, and returns the exit code. extra makes the further commands that
// these arguments may need; it may be nil. An error of theirs may have both methods ExitCode() int and Hint() string; one without
// a text prints nothing.
func Main(args []string, extra func(args []string) []*cobra.Command) int {
	t := &terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	defer t.closeLog()
	root := commandsFor(t, args, extra)

	// Whatever goes wrong before a command runs is wrong usage.
	running := false
	eachCommand(root, func(c *cobra.Command) {
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				running = true
				return run(c, args)
			}
		}
	})
	root.SetArgs(args)
	command, err := root.ExecuteContextC(context.Background())
	if err != nil && !running {
		err = wrongUsage(err)
	}
	return t.end(command, err)
}

// Commands are all commands of opkssh, for documents about them.
func Commands(extra ...*cobra.Command) *cobra.Command {
	return allCommands(&terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}, extra)
}

// commandsFor are the commands that these arguments may need: ensure alone, which ssh waits for, or all, which takes time to make.
func commandsFor(t *terminal, args []string, extra func(args []string) []*cobra.Command) *cobra.Command {
	if len(args) > 0 && args[0] == "ensure" {
		root := rootCommand(t)
		root.AddCommand(ensureCommand(t))
		return root
	}
	if extra == nil {
		return allCommands(t, nil)
	}
	return allCommands(t, extra(args))
}

func allCommands(t *terminal, extra []*cobra.Command) *cobra.Command {
	root := rootCommand(t)
	root.AddCommand(loginCommand(t), logoutCommand(t), statusCommand(t), inspectCommand(t), versionCommand(t), clientCommand(t), configCommand(t), completionCommand(t))
	root.AddCommand(refreshCommand(t), ensureCommand(t), sshConfigCommand(t))
	root.AddCommand(extra...)
	completeArguments(root)
	return root
}

// end reports how the command ended, and chooses the exit code.
func (t *terminal) end(command *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		t.note("opkssh: %s", text)
	}
	code, hint := exitFailed, ""
	var end endError
	if errors.As(err, &end) {
		code, hint = end.ExitCode(), end.Hint()
	}
	if code == exitUsage && hint == "" {
		hint = command.CommandPath() + " --help"
	}
	if hint != "" {
		t.hint(hint)
	}
	return code
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

func rootCommand(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "opkssh",
		Short: "ssh with an OpenID Connect identity",
		Long: `opkssh makes a key for ssh out of a login with an OpenID provider. The key's certificate carries the proof of
who logged in, and hosts that know the provider check it: no key has to be copied to them.`,
		Example: `  opkssh login
  ssh USER@HOST`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Version:           versionText(),
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},

		DisableFlagsInUseLine: true,
	}
	commandgroup.Make(root)
	root.Flags().Bool("version", false, "print the version") // cobra would take -v for it
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	return root
}

// verboseFlag adds -v.
func (t *terminal) verboseFlag(c *cobra.Command) {
	c.Flags().BoolVarP(&t.verbose, "verbose", "v", false, "print details to standard error")
}
