package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opkssh/internal/printable"
)

// explainTimeout bounds an explanation with all that it asks.
const explainTimeout = 90 * time.Second

// decidingOptions are the flags of the commands that say what a login would decide.
type decidingOptions struct {
	configDir     string
	untrusted     bool
	plugins       pluginsMode
	json, verbose bool
}

func (o *decidingOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with providers, auth_id and config.yml")
	flags.BoolVar(&o.untrusted, "untrusted-files", false, "read files whoever can write them, such as a checkout; home rules are left out")
	flags.BoolVar(&o.plugins.ask, "plugins", false, "run the plugins, as the user that runs this command")
	flags.BoolVar(&o.plugins.ignore, "without-plugins", false, "decide as if there were no plugins")
	flags.BoolVar(&o.json, "json", false, "print JSON for scripts")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say more")
}

func (o *decidingOptions) explainer(now time.Time) *explainer {
	return &explainer{configDir: o.configDir, files: o.reader(), plugins: o.plugins, now: now}
}

func (o *decidingOptions) reader() reader {
	if o.untrusted {
		return everybodysReader(o.configDir)
	}
	return reader{}
}

// remarks say in what the answer differs from that to sshd.
func (o *decidingOptions) remarks(stderr io.Writer) {
	say := func(text string) { _, _ = fmt.Fprintln(stderr, text) }
	if o.untrusted {
		say("files count here whoever can write them, and home rules do not: a login is stricter, see verifier permissions")
	}
	if o.plugins.ignore {
		say("plugins are left out: a login asks them")
	}
	if o.plugins.ask && os.Geteuid() == 0 {
		say("plugins run as root here: at a login they run as sshd's AuthorizedKeysCommandUser")
	}
}

type explainOptions struct {
	decidingOptions
	who            identityArguments
	cert, cacheDir string
	logID, logFile string
	offline        bool
}

func explainCommand() *cobra.Command {
	var options explainOptions
	c := &cobra.Command{
		Use:   "explain USER (--cert FILE | --issuer URL --email EMAIL | --log ID)",
		Short: "say what would happen at a login, and why",
		Long: `say what would happen if somebody logged in as USER, and why: the files that count, each rule for USER and where it
fails, what denies, which rule decides, and the line that sshd would get. It is decided by what decides on logins.

Who it is:

  --cert FILE       has this certificate, NAME-cert.pub. It is verified as at a login: the provider may be asked
                    for its keys, unless --offline
  --issuer URL, --email, --sub, --claim NAME=VALUE
                    has just logged in at this provider, which says these claims and no others. The provider is not
                    asked. A claim that is given several times is a list
  --log ID          is the person of this record of the log, at the time of the record, under the files of today.
                    USER is that of the record. A record has no claims but email and sub: add others with --claim

Nobody is let in by it, nothing is written, and nothing is logged. Plugins are named and not asked, unless --plugins.
As root it can read files that the verifier cannot: to be sure, run it as sshd's AuthorizedKeysCommandUser.

Exit status: 0 the login would be allowed; 1 it would be refused, or nobody can tell; 2 wrong usage.`,
		Example: `  verifier explain root --cert ~alice/.ssh/id_ecdsa-cert.pub
  verifier explain root --issuer https://sso.example.com --email alice@example.com --claim groups=ops --claim groups=dev
  verifier explain --log 06ae0e4628fdf711
  sudo -u opksshuser verifier explain root --issuer google --email alice@example.com --claim email_verified=true`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplain(cmd.Context(), &options, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c.Flags())
	flags := c.Flags()
	flags.StringVar(&options.cert, "cert", "", "the certificate in this `FILE`")
	flags.StringVar(&options.who.issuer, "issuer", "", "the provider's `URL`, or google, azure, microsoft, gitlab, hello")
	flags.StringVar(&options.who.email, "email", "", "the claim email")
	flags.StringVar(&options.who.subject, "sub", "", "the claim sub")
	flags.StringArrayVar(&options.who.claims, "claim", nil, "a further claim, `NAME=VALUE`; may be repeated")
	flags.StringVar(&options.who.clientID, "client-id", "", "the client `ID` that was logged in with (default that of the issuer's first row)")
	flags.StringVar(&options.logID, "log", "", "the `ID` of a record in the log")
	flags.StringVar(&options.logFile, "log-file", "", "with --log: the `FILE` to look in (default where config.yml lets the log go)")
	flags.BoolVar(&options.offline, "offline", false, "with --cert: ask no provider, use the keys that are cached")
	flags.StringVar(&options.cacheDir, "cache-dir", defaultCacheDir, "with --cert: `DIR` with the providers' keys")
	return c
}

func (o *explainOptions) check(args []string) error {
	given := 0
	for _, is := range []bool{o.cert != "", o.who.issuer != "", o.logID != ""} {
		if is {
			given++
		}
	}
	wantArgs := 1
	if o.logID != "" {
		wantArgs = 0
	}
	switch {
	case given != 1:
		return errNoIdentity
	case len(args) != wantArgs && wantArgs == 0:
		return fmt.Errorf("unexpected %q: the user is that of the record", args[0])
	case len(args) != wantArgs:
		return errors.New("expected one USER")
	case o.cert != "" && o.who.given():
		return errors.New("--cert: expected no claims beside it: the token has its own")
	case o.logID != "" && (o.who.email != "" || o.who.subject != "" || o.who.clientID != ""):
		return errors.New("--log: expected no --email, --sub and --client-id beside it: the record has them")
	case o.logFile != "" && o.logID == "":
		return errors.New("--log-file: expected --log beside it")
	case o.offline && o.cert == "":
		return errors.New("--offline: expected --cert beside it: otherwise no provider is asked")
	}
	return o.plugins.check(o.reader())
}

func runExplain(ctx context.Context, options *explainOptions, args []string, stdout, stderr io.Writer) error {
	if err := options.check(args); err != nil {
		return usageError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	now := time.Now()
	var user string
	if len(args) > 0 {
		user = args[0]
	}
	var make offer
	var err error
	switch {
	case options.cert != "":
		make, err = certificateOffer(options.cert, options.cacheDir, options.offline)
	case options.logID != "":
		var r *loggedDecision
		if r, err = options.loggedRecord(ctx, stderr); err == nil {
			user, now = r.User, r.Time
			make, err = options.offerOf(r)
		}
	default:
		var h *hypothetical
		if h, err = options.who.hypothetical(now); err != nil {
			return usageError(err)
		}
		var keys *hypotheticalKeys
		if keys, err = newHypotheticalKeys(); err == nil {
			make = hypotheticalOffer(keys, h)
		}
	}
	if err != nil {
		return err
	}
	x, err := options.explainer(now).explain(ctx, user, make)
	if err != nil {
		return &exitError{text: err.Error(), code: exitRefused}
	}
	options.remarks(stderr)
	if options.json {
		err = printable.JSON(stdout, x)
	} else {
		err = x.print(stdout, options.verbose)
	}
	if err == nil && x.Decision != decisionAllow {
		return errRefused
	}
	return err
}

// loggedRecord finds the record, and says what it says.
func (o *explainOptions) loggedRecord(ctx context.Context, stderr io.Writer) (*loggedDecision, error) {
	config, err := o.reader().config(o.configDir)
	if err != nil && o.logFile == "" {
		return nil, configError(err)
	}
	r, err := findLogged(ctx, o.logID, o.logFile, config)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("the record of %s: %s as %s", r.Time.UTC().Format(time.RFC3339), r.Decision, r.User)
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	_, _ = fmt.Fprintln(stderr, printable.Text(text))
	if len(o.who.claims) == 0 {
		_, _ = fmt.Fprintln(stderr, "of the token's claims the record has email and sub alone: add others with --claim, such as email_verified=true")
	}
	return r, r.explainable()
}

func (o *explainOptions) offerOf(r *loggedDecision) (offer, error) {
	var err error
	if r.claims, err = furtherClaims(o.who.claims); err != nil {
		return nil, usageError(err)
	}
	keys, err := newHypotheticalKeys()
	if err != nil {
		return nil, err
	}
	return recordOffer(keys, r), nil
}
