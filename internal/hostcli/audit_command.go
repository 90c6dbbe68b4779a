package hostcli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/printable"
)

func auditCommand() *cobra.Command {
	var options auditOptions
	c := &cobra.Command{
		Use:   "audit",
		Short: "look for what is wrong or risky on this host, before somebody cannot log in",
		Long: `look at sshd's configuration, the files under /etc/opk, their owners and modes, the users that rules name, plugins, the keys
that are held, and the providers themselves. Each finding has a code, which docs/audit.md explains, and is an error (it
does not do what it says), a warning (it is probably not what was meant), or a note. Nothing is changed.

Run it as root: sshd tells nobody else its settings.

Exit status: 0 nothing, or notes; 1 errors or warnings; 2 wrong usage.`,
		Example: `  verifier audit
  verifier audit --json --offline`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			return runAudit(cmd.Context(), options, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c.Flags())
	return c
}

func runAudit(ctx context.Context, options auditOptions, stdout, stderr io.Writer) error {
	a := newAuditor(options, time.Now())
	for _, check := range auditChecks {
		if options.verbose {
			_, _ = fmt.Fprintf(stderr, "%s: %s\n", check.name, check.about)
		}
		for _, f := range a.run(ctx, check) {
			if options.json {
				continue
			}
			if err := f.print(stdout, ""); err != nil {
				return err
			}
		}
	}
	if options.json {
		if a.findings == nil {
			a.findings = []auditFinding{}
		}
		if err := printable.JSON(stdout, a.findings); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintln(stderr, countFindings(a.findings))
	}
	if slices.ContainsFunc(a.findings, auditFinding.isSerious) {
		return errRefused
	}
	return nil
}
