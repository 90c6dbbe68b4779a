package hostcli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

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

A file that cannot be edited keeps its rules, and the others are edited nevertheless: each rule is said to be removed or still there.

Exit status: 0 removed, or not there at all; 1 a rule is still there, or a file could not be looked through; 2 wrong usage.`,
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
			r := &removal{ruleOptions: &options, wanted: wanted, asked: asked, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
			return r.run(cmd.Context(), home)
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
