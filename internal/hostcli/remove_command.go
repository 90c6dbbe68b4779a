package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

func removeCommand() *cobra.Command {
	var options ruleOptions
	var all string
	c := &cobra.Command{
		Use:   "remove (PRINCIPAL IDENTITY ISSUER [OPTIONS] | --all IDENTITY [ISSUER])",
		Short: "take back what add has done",
		Long: `take rules out of auth_id and auth_id.d: those with this PRINCIPAL, IDENTITY and ISSUER, whatever their options, or only
those with OPTIONS if they are given. With --all, all rules of the identity, for every user of the host. Comments and
everything else in the files stay as they are; a comment on the line of a rule goes with it.

Another rule may still let the same people in: see verifier explain. As an ordinary user it edits ~/.opk/auth_id.

Exit status: 0 removed, or not there at all; 1 nothing was written; 2 wrong usage.`,
		Example: `  verifier remove root alice@example.com google
  verifier remove --all alice@example.com
  verifier remove --all alice@example.com https://sso.example.com --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, asked, err := rulesToRemove(all, args)
			if err != nil {
				return usageError(err)
			}
			home, err := options.inHome(cmd)
			if err != nil {
				return usageError(err)
			}
			if home && all != "" {
				return usageError(errors.New("--all: expected root: home rules are removed one by one"))
			}
			return runRemove(cmd.Context(), &options, wanted, asked, home, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c)
	c.Flags().StringVar(&all, "all", "", "all rules of this `IDENTITY`")
	return c
}

// rulesToRemove says which rules are meant, and how they were asked for.
func rulesToRemove(all string, args []string) (wanted func(policy.Rule) bool, asked ruleReport, err error) {
	asked.Result = "not-there"
	if all != "" {
		if len(args) > 1 {
			return nil, asked, fmt.Errorf("expected at most ISSUER beside --all, got %s", countOf(len(args), "argument"))
		}
		asked.Identity, asked.row = all, all
		if len(args) == 1 {
			asked.Issuer = issuerOf(args[0])
			asked.row += " " + asked.Issuer
		}
		return func(r policy.Rule) bool {
			return r.HasIdentity(all) && (asked.Issuer == "" || r.Issuer == asked.Issuer)
		}, asked, nil
	}
	if len(args) < 3 || len(args) > 4 {
		return nil, asked, fmt.Errorf("expected PRINCIPAL, IDENTITY and ISSUER, and perhaps OPTIONS, or --all IDENTITY, got %s", countOf(len(args), "argument"))
	}
	column := ""
	if len(args) == 4 {
		column = args[3]
	}
	rule, err := policy.NewRule(args[0], args[1], issuerOf(args[2]), column)
	if err != nil {
		return nil, asked, err
	}
	if column == "" {
		return rule.SamePeople, newRuleReport("not-there", rule), nil
	}
	return rule.Same, newRuleReport("not-there", rule), nil
}

func runRemove(
	ctx context.Context, options *ruleOptions, wanted func(policy.Rule) bool, asked ruleReport, home bool, stdout, stderr io.Writer,
) error {
	var files []ruleFile
	log := &findings{}
	if home {
		account, err := homeAccount(ctx, asked.Principal)
		if err != nil {
			return err
		}
		asked.File = account.HomeFile()
		files = append(files, ruleFile{path: asked.File, home: account})
	} else {
		if _, err := readConfig(options.configDir); closedToUs(err) {
			return closedError(options.configDir)
		}
		asked.File = options.configDir
		for _, f := range ruleFiles(options.configDir, log) {
			if rules, _ := policy.ParseRules(f.Path, f.Data); slices.ContainsFunc(rules, wanted) {
				files = append(files, ruleFile{path: f.Path})
			}
		}
	}
	var reports []ruleReport
	for _, file := range files {
		removed, err := options.removeFrom(file, wanted, stdout, stderr)
		reports = append(reports, removed...)
		if err != nil {
			return ruleFileError(err)
		}
	}
	if len(reports) == 0 {
		asked.DryRun = options.dryRun
		reports = append(reports, asked)
		if err := options.print(stdout, stderr, "", nil, reports); err != nil {
			return err
		}
	} else if !options.dryRun {
		_, _ = fmt.Fprintln(stderr, "hint: sessions that are open go on until you end them")
	}
	if !home {
		for _, text := range sshdRemarks(ctx, options.configDir) {
			_, _ = fmt.Fprintln(stderr, printable.Text(text))
		}
	}
	if options.json {
		if err := writeRuleReports(stdout, reports); err != nil {
			return err
		}
	}
	return incomplete(log.all, stderr)
}

func (o *ruleOptions) removeFrom(file ruleFile, wanted func(policy.Rule) bool, stdout, stderr io.Writer) ([]ruleReport, error) {
	var reports []ruleReport
	changes, err := file.edit(o.dryRun, func(data []byte) ([]byte, error) {
		reports = nil
		edited, removed := policy.RemoveRules(file.path, data, wanted)
		for _, rule := range removed {
			report := newRuleReport("removed", rule)
			report.DryRun = o.dryRun
			reports = append(reports, report)
		}
		return edited, nil
	})
	if err != nil {
		return nil, err
	}
	return reports, o.print(stdout, stderr, file.path, changes, reports)
}
