package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/sandbox"
)

// readHomeTimeout ends readhome, which runs as root, so that whoever waits for it cannot.
const readHomeTimeout = 2 * time.Second

var errReadHomeUsage = &exitError{text: "expected one user: readhome USER", hint: "verifier readhome --help", code: exitUsage}

func readHomeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "readhome USER",
		Short: "print a user's own rules, for a verifier that may not read them",
		Long: `print ~USER/.opk/auth_id. Print nothing if there is none.

The verifier runs this by sudo where USER's home folder is closed to it. It reads this one file, follows no
symbolic link in the home folder, and looks at no environment variable. The file, .opk and the home folder
must belong to USER or to root and be writable by nobody else; the file has at most 1 MiB.

Exit status: 0 printed, or there is no such file or user; 1 the file is not to be trusted; 2 wrong usage.`,
		Example: `  # in /etc/sudoers.d/opkssh
  opksshuser ALL=(root) NOPASSWD: /usr/local/bin/verifier readhome *`,
		// In sudoers, * stands for any number of words: none of them may be a flag.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errReadHomeUsage
			}
			if args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			return runReadHome(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
}

func runReadHome(ctx context.Context, user string, stdout io.Writer) error {
	alarm := time.AfterFunc(readHomeTimeout, func() { os.Exit(exitRefused) })
	defer alarm.Stop()
	account, err := hostfiles.LookupAccount(ctx, user)
	if errors.Is(err, hostfiles.ErrNoAccount) {
		return nil
	}
	if err != nil {
		return &exitError{text: err.Error(), code: exitRefused}
	}
	// From here on this is root, on a path that is the user's: it reads one file and prints it. What the kernel does not take away,
	// ReadHome does not use.
	_ = sandbox.Enter(sandbox.Limits{})
	file, err := hostfiles.ReadHome(account)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		exit := &exitError{text: err.Error(), code: exitRefused}
		var fault *hostfiles.Fault
		if errors.As(err, &fault) {
			exit.hint = faultHint(fault)
		}
		return exit
	}
	if _, err := stdout.Write(file.Data); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
