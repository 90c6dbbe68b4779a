package hostcli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

func listCommand() *cobra.Command {
	var configDir, user string
	var asJSON, verbose bool
	c := &cobra.Command{
		Use:   "list",
		Short: "list the rules, who may log in as whom",
		Long: `list the rules of auth_id and auth_id.d with their places, in the order in which a login looks at them. With --user, only
those for that user, and behind them those of the user's home folder. Rows that cannot be used are named on standard
error.

Exit status: 0 listed, also if there is none; 1 a file could not be read or trusted; 2 wrong usage.`,
		Example: `  verifier list
  verifier list --user root
  verifier list --json | jq -r '.[] | select(.principal == "root") | .identity'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			return runList(cmd.Context(), configDir, user, asJSON, verbose, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&configDir, "config-dir", defaultConfigDir, "`DIR` with auth_id")
	c.Flags().StringVar(&user, "user", "", "only the rules for this `USER`")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "say on standard error which files are read")
	return c
}

func runList(ctx context.Context, configDir, user string, asJSON, verbose bool, stdout, stderr io.Writer) error {
	if _, err := readConfig(configDir); closedToUs(err) {
		return closedError(configDir)
	}
	log := &findings{}
	var rules []policy.Rule
	for _, f := range ruleFiles(configDir, log) {
		if verbose {
			_, _ = fmt.Fprintln(stderr, printable.Text("reading "+f.Path))
		}
		rules = append(rules, listedRules(f, user, stderr)...)
	}
	if user != "" {
		if config, err := readConfig(configDir); err == nil && config.HomePolicy {
			source := &hostSource{folder: configDir, config: config, log: log.logger()}
			rules = append(rules, source.homeRules(ctx, user)...)
		}
	}
	var reports []ruleReport
	for _, rule := range rules {
		reports = append(reports, newRuleReport("", rule))
	}
	if asJSON {
		if err := writeRuleReports(stdout, reports); err != nil {
			return err
		}
		return incomplete(log.all, stderr)
	}
	for _, r := range reports {
		if _, err := fmt.Fprintln(stdout, printable.Text(r.sentence())); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		_, _ = fmt.Fprintln(stderr, printable.Text("no rules in "+configDir))
	}
	return incomplete(log.all, stderr)
}

func listedRules(f hostfiles.File, user string, stderr io.Writer) []policy.Rule {
	rules, problems := policy.ParseRules(f.Path, f.Data)
	if user != "" {
		rules, problems = policy.ParseRulesFor(f.Path, f.Data, user)
	}
	for _, p := range problems {
		_, _ = fmt.Fprintln(stderr, printable.Text("row left out: "+p.String()))
	}
	return rules
}
