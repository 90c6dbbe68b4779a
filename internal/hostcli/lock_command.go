package hostcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// lockOptions are the flags of lock and unlock.
type lockOptions struct {
	whom                  lockArguments
	configDir             string
	dryRun, json, verbose bool
}

func (o *lockOptions) register(c *cobra.Command) {
	o.whom.register(c.Flags())
	c.Flags().StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with config.yml")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would change in config.yml, and write nothing")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what changes in config.yml")
}

func lockCommand() *cobra.Command {
	var options lockOptions
	c := &cobra.Command{
		Use:   "lock [EMAIL...]",
		Short: "keep somebody out of this host, from the next login on",
		Long: `keep somebody out of this host from the next login on, whatever a rule or a plugin says: write an entry in
config.yml. Comments and everything else in the file stay as they are. What is there already is left alone.

With --until-new-login, a person is kept out until they have logged in anew with their provider: what they have
on their computers now is worth nothing any more. A provider's clock may be ahead of this host's, by up to a minute:
so that nothing from before counts, logins within the next minute do not count either and have to be repeated.

Sessions that are open go on, and so do keys that somebody has put into authorized_keys.

Exit status: 0 locked, or locked already; 1 nothing was written; 2 wrong usage.`,
		Example: `  verifier lock alice@example.com
  verifier lock --until-new-login alice@example.com
  verifier lock --sub 1234 --issuer https://sso.example.com
  verifier lock --claim groups:contractors
  verifier lock --key-file id_ecdsa-cert.pub
  verifier lock --user root`,
		RunE: func(cmd *cobra.Command, args []string) error { return runLock(cmd, &options, args, false) },
	}
	options.register(c)
	c.Flags().StringVar(&options.whom.before, "before", "", "with --until-new-login: logins until this `TIME`, such as 2026-11-20T09:00:00Z (default a minute from now)")
	return c
}

func unlockCommand() *cobra.Command {
	var options lockOptions
	c := &cobra.Command{
		Use:   "unlock [EMAIL...]",
		Short: "take back what lock has done",
		Long: `take an entry out of config.yml, in all its spellings. Say what was given to lock; verifier locks lists it.
Comments and everything else in the file stay as they are.

Exit status: 0 unlocked, or not locked at all; 1 nothing was written; 2 wrong usage.`,
		Example: `  verifier unlock alice@example.com
  verifier unlock --until-new-login alice@example.com
  verifier unlock --sub 1234 --issuer https://sso.example.com
  verifier unlock --key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU`,
		RunE: func(cmd *cobra.Command, args []string) error { return runLock(cmd, &options, args, true) },
	}
	options.register(c)
	return c
}

func runLock(cmd *cobra.Command, options *lockOptions, identities []string, unlock bool) error {
	if !unlock { // what an older release has locked can be unlocked
		if err := options.whom.checkSpelling(identities); err != nil {
			return err
		}
	}
	locks, err := options.whom.locks(identities, time.Now())
	if err != nil {
		var exit *exitError
		var file *fs.PathError
		switch {
		case errors.As(err, &exit):
			return err
		case errors.As(err, &file):
			return &exitError{text: err.Error(), code: exitRefused}
		}
		return usageError(err)
	}
	var remarks []string
	if !unlock {
		if remarks, err = checkIssuers(options.configDir, locks); err != nil {
			return err
		}
		remarks = append(remarks, options.whom.escapeRemarks()...)
		remarks = append(remarks, options.whom.userRemarks(cmd.Context())...)
	}
	plan := &lockPlan{path: filepath.Join(options.configDir, "config.yml"), locks: locks, unlock: unlock}
	reader := newFolderReader(cmd.Context(), options.configDir)
	if options.dryRun {
		err = plan.try()
	} else {
		_, err = hostfiles.EditSystem(plan.path, reader.newFile(plan.path), plan.edit)
	}
	if err != nil {
		return configError(err)
	}
	if err := options.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), plan); err != nil {
		return err
	}
	if !options.dryRun {
		remarks = append(remarks, reader.remarks("config.yml")...)
	}
	// Behind what was done: nothing may keep a lock from being written. With --json, too: it would look like success.
	for _, text := range append(remarks, sshdRemarks(cmd.Context(), options.configDir)...) {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), printable.Text(text))
	}
	return nil
}

// checkIssuers refuses a lock that would keep nobody out, because no row of providers has its issuer: in an emergency a letter too
// many must not look like success. Where rows are left out, nobody knows, and the lock is written.
func checkIssuers(folder string, locks []policy.Lock) (remarks []string, err error) {
	rows, leftOut := readHostProviders(folder)
	for _, lock := range locks {
		issuer := lock.Entry.Issuer
		if issuer == "" || slices.ContainsFunc(rows, func(p pktoken.Provider) bool { return p.Issuer == issuer }) {
			continue
		}
		if len(leftOut) > 0 {
			unseen := unseenIssuer(issuer, leftOut)
			remarks = append(remarks, "warning: "+unseen.text, "hint: "+unseen.hint)
			continue
		}
		e := &exitError{
			text: fmt.Sprintf("no row of providers has the issuer %s: nobody would be kept out", issuer), code: exitRefused,
			hint: "compare it letter by letter with " + filepath.Join(folder, "providers"),
		}
		for _, p := range rows {
			if strings.TrimSuffix(p.Issuer, "/") == strings.TrimSuffix(issuer, "/") {
				e.hint = "did you mean " + p.Issuer
			}
		}
		return nil, e
	}
	return remarks, nil
}

// try makes the plan and writes nothing.
func (p *lockPlan) try() error {
	data, err := hostfiles.ReadSystem(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = p.edit(data)
	return err
}

func (o *lockOptions) print(stdout, stderr io.Writer, plan *lockPlan) error {
	for i := range plan.reports {
		plan.reports[i].DryRun = o.dryRun
	}
	line := func(w io.Writer, text string) { _, _ = fmt.Fprintln(w, printable.Text(text)) }
	if plan.changed() && (o.verbose || o.dryRun && !o.json) {
		to := stderr
		if o.dryRun && !o.json {
			to = stdout
		}
		line(to, "--- "+plan.path)
		line(to, "+++ "+plan.path)
		for _, text := range plan.changes {
			line(to, text)
		}
	}
	if o.json {
		return writeLockReports(stdout, plan.reports)
	}
	for _, r := range plan.reports {
		line(stdout, r.sentence())
	}
	for _, text := range plan.remarks() {
		line(stderr, text)
	}
	return nil
}

// remarks say what a lock does not do.
func (p *lockPlan) remarks() []string {
	var remarks []string
	if p.unlock {
		for _, r := range p.others() {
			remarks = append(remarks, fmt.Sprintf("%s is still locked%s: %s (%s)", r.whom(), r.duration(), r.Member, r.place()))
		}
		return remarks
	}
	for _, r := range p.reports {
		switch {
		case r.Result != "locked":
		case r.Email != "":
			remarks = append(remarks, "hint: a token without an email is not recognised: lock the sub, too, or let the row in providers say require=email_verified:true")
		case r.User != "":
			remarks = append(remarks, fmt.Sprintf("no OpenID Connect identity can log in as %s; passwords and keys in authorized_keys still can", r.User))
		case r.Key != "":
			remarks = append(remarks, "whoever holds the key can log in at the provider anew, with another key",
				"hint: to keep out a person, lock their email address or subject")
		}
		if r.Result == "locked" && r.lock.Before.After(time.Now()) {
			remarks = append(remarks, fmt.Sprintf("hint: a login until %s does not count, and has to be repeated", r.Before))
		}
	}
	if p.changed() {
		remarks = append(remarks, "hint: sessions that are open go on until you end them")
	}
	if slices.ContainsFunc(p.reports, func(r lockReport) bool { return r.Result == "locked" && r.User == "" }) {
		// Whoever was logged in may have left a way back.
		remarks = append(remarks, "hint: a key that they have put into authorized_keys, or that a program in chain gives, still lets them in: look at both")
	}
	return remarks
}

func locksCommand() *cobra.Command {
	var configDir string
	var asJSON, verbose bool
	c := &cobra.Command{
		Use:   "locks",
		Short: "list who is kept out of this host",
		Long: `list the entries of config.yml that keep somebody out, with their place in the file.

Exit status: 0 listed, also if there is none; 1 config.yml cannot be used, and everyone is kept out; 2 wrong usage.`,
		Example: `  verifier locks
  verifier locks --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			return runLocks(configDir, asJSON, verbose, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&configDir, "config-dir", defaultConfigDir, "`DIR` with config.yml")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "say on standard error which file is read")
	return c
}

func runLocks(configDir string, asJSON, verbose bool, stdout, stderr io.Writer) error {
	path := filepath.Join(configDir, "config.yml")
	if verbose {
		_, _ = fmt.Fprintln(stderr, printable.Text("reading "+path))
	}
	config, err := readConfig(configDir)
	if err != nil {
		return configError(err)
	}
	var reports []lockReport
	for _, l := range config.Locks() {
		reports = append(reports, newLockReport(path, l))
	}
	if asJSON {
		return writeLockReports(stdout, reports)
	}
	for _, r := range reports {
		if _, err := fmt.Fprintln(stdout, printable.Text(fmt.Sprintf("%s: %s: %s%s", r.place(), r.Member, r.whom(), r.duration()))); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		_, _ = fmt.Fprintln(stderr, printable.Text("nobody is locked in "+path))
	}
	return nil
}

// configError says what to do about a config.yml that cannot be used.
func configError(err error) error {
	exit := &exitError{text: err.Error(), code: exitRefused}
	var fault *hostfiles.Fault
	var wrong *policy.ConfigError
	var edit *policy.EditError
	switch {
	case closedToUs(err):
		exit.hint = runAsRoot
	case errors.As(err, &fault):
		exit.hint = "everyone is kept out of this host until that is mended"
		if hint := faultHint(fault); hint != "" {
			exit.hint += ": " + hint
		}
	case errors.As(err, &wrong):
		exit.hint = "everyone is kept out of this host until config.yml is right"
	case errors.As(err, &edit):
		exit.hint = edit.ByHand + "; verifier check says whether the file is right then"
	case errors.Is(err, fs.ErrNotExist):
		exit.hint = "--config-dir names the folder with the host's files"
	}
	return exit
}
