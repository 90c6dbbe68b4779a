package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// newRulesHeader begins a file of rules that was not there.
const newRulesHeader = "# principal  identity  issuer  [options]: who may log in as whom, see verifier add --help\n"

func addCommand() *cobra.Command {
	var options ruleOptions
	c := &cobra.Command{
		Use:   "add PRINCIPAL IDENTITY ISSUER [OPTIONS]",
		Short: "let somebody log in as a user of this host",
		Long: `let the people with IDENTITY at the provider ISSUER log in as the user PRINCIPAL: write a row at the end of auth_id.
Comments, order, owner and mode of the file stay as they are. A row that is there already is left alone.

IDENTITY is an email address, oidc:CLAIM:VALUE, oidc-match-end:email:@example.com, or a subject. ISSUER is the
provider's URL, or google, azure, microsoft, gitlab or hello. OPTIONS are limits such as no-pty,from="10.0.0.0/8".

It is refused where it could let nobody in: the provider is not in the file providers, or a rule for the same
people decides before it. So it is where limits would never apply, since a wider rule stands in front of them. What else
verifier audit would say of the row is said. As an ordinary user it writes ~/.opk/auth_id, whose rules count for
that user alone.

Exit status: 0 added, or there already; 1 nothing was written; 2 wrong usage.`,
		Example: `  verifier add root alice@example.com google
  verifier add dev oidc:groups:developers https://sso.example.com
  verifier add web oidc:groups:web https://sso.example.com 'command="/usr/bin/deploy",no-port-forwarding'
  verifier add --dry-run root alice@example.com google`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 3 || len(args) > 4 {
				return usageError(fmt.Errorf("expected PRINCIPAL, IDENTITY and ISSUER, and perhaps OPTIONS, got %s", countOf(len(args), "argument")))
			}
			column := ""
			if len(args) == 4 {
				column = args[3]
			}
			rule, err := policy.NewRule(args[0], args[1], issuerOf(args[2]), column)
			if err == nil && rule.Identity.Kind == policy.IdentityEmail {
				err = policy.CheckEmailAddress(rule.Identity.Value)
			}
			if err != nil {
				return usageError(err)
			}
			home, err := options.inHome(cmd)
			if err != nil {
				return usageError(err)
			}
			return runAdd(cmd.Context(), &options, rule, home, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c)
	return c
}

func runAdd(ctx context.Context, options *ruleOptions, rule policy.Rule, home bool, stdout, stderr io.Writer) error {
	reader := newFolderReader(ctx, options.configDir)
	file := ruleFile{path: authID(options.configDir), reader: reader}
	if home {
		account, err := homeAccount(ctx, rule.Principal)
		if err != nil {
			return err
		}
		file = ruleFile{path: account.HomeFile(), home: account}
	}
	log := &findings{}
	host, remarks, err := checkNewRule(ctx, options.configDir, rule, home, log)
	if err != nil {
		return err
	}
	n := &newRule{Rule: rule, host: host, home: home, now: time.Now()}
	changes, err := n.addTo(file, options.dryRun)
	if err != nil {
		return ruleFileError(err)
	}
	n.report.DryRun = options.dryRun
	reports := []ruleReport{n.report}
	if err := options.print(stdout, stderr, file.path, changes, reports); err != nil {
		return err
	}
	for _, f := range n.findings {
		if err := lintFinding(f).print(stderr, ""); err != nil {
			return err
		}
	}
	if !home && !options.dryRun {
		remarks = append(remarks, reader.remarks("auth_id")...)
	}
	if !home {
		remarks = append(remarks, sshdRemarks(ctx, options.configDir)...)
	}
	for _, text := range remarks {
		_, _ = fmt.Fprintln(stderr, printable.Text(text))
	}
	if options.json {
		return writeRuleReports(stdout, reports)
	}
	return nil
}

// checkNewRule refuses a rule that could let nobody in, and says what else stands in its way. It gives what a login would read.
func checkNewRule(
	ctx context.Context, configDir string, rule policy.Rule, home bool, log *findings,
) (host *sshauth.Configuration, remarks []string, err error) {
	config, err := readConfig(configDir)
	closed := closedToUs(err)
	switch {
	case closed && !home:
		return nil, nil, closedError(configDir)
	case closed:
		remarks = append(remarks, fmt.Sprintf("%s is closed to you: whether this host reads home rules and knows the provider cannot be seen", configDir))
	case err != nil:
		remarks = append(remarks, "nobody can log in before config.yml is right: "+err.Error())
	}
	if err != nil {
		config = policy.DefaultConfig()
	}
	if home && !config.HomePolicy {
		return nil, nil, &exitError{text: "this host does not read rules in home folders: home_policy is off", code: exitRefused}
	}
	source := &hostSource{folder: configDir, config: config, log: log.logger()}
	if host, err = source.Configuration(ctx, rule.Principal); err != nil {
		return nil, nil, err
	}
	switch err := checkIssuerIsKnown(host.Providers, rule, configDir); {
	case err == nil:
	case home && len(log.all) > 0:
		if !closed {
			remarks = append(remarks, "whether the host knows the provider cannot be seen: its files are closed to you")
		}
	default:
		return nil, nil, err
	}
	for _, n := range log.all {
		if !home {
			remarks = append(remarks, n.String())
		}
	}
	if !hostHasUser(ctx, rule.Principal) {
		remarks = append(remarks, fmt.Sprintf("this host has no user %s: the rule lets nobody in until it has", rule.Principal))
	}
	return host, remarks, nil
}

// hostHasUser is false where nobody can log in as user. Of a directory service that does not answer nothing is known.
func hostHasUser(ctx context.Context, user string) bool {
	_, err := hostfiles.LookupAccount(ctx, user)
	return !errors.Is(err, hostfiles.ErrNoAccount) && !errors.Is(err, hostfiles.ErrUserName)
}

func checkIssuerIsKnown(providers []pktoken.Provider, rule policy.Rule, configDir string) error {
	known, fits := false, false
	var others []string
	for _, p := range providers {
		switch {
		case p.Issuer != rule.Issuer:
			if !slices.Contains(others, p.Issuer) {
				others = append(others, p.Issuer)
			}
		default:
			known = true
			fits = fits || rule.Identity.Kind != policy.IdentitySubjectGlob || p.Commitment == pktoken.CommitmentAudience
		}
	}
	exit := &exitError{code: exitRefused}
	switch {
	case known && fits:
		return nil
	case known:
		exit.text = fmt.Sprintf("the rows of %s in providers are not for CI jobs, whose identities repo: is for", rule.Issuer)
		return exit
	}
	if _, leftOut := readHostProviders(configDir); len(leftOut) > 0 {
		return unseenIssuer(rule.Issuer, leftOut)
	}
	exit.text = fmt.Sprintf("no row of %s/providers has the issuer %s, so that nobody could log in by this rule", configDir, rule.Issuer)
	exit.hint = "add a row for it to providers first"
	for _, other := range others {
		if similarIssuer(other) == similarIssuer(rule.Issuer) {
			exit.hint = "did you mean " + other + "? issuers are compared letter by letter"
		}
	}
	return exit
}

// similarIssuer is what is left of an issuer without what people get wrong.
func similarIssuer(issuer string) string {
	_, rest, _ := strings.Cut(strings.ToLower(issuer), "://")
	return strings.TrimSuffix(rest, "/")
}
