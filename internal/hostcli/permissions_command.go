package hostcli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
)

// permissionsOptions are the flags of check, fix and install.
type permissionsOptions struct {
	configDir, cacheDir   string
	user                  string
	dryRun, json, verbose bool
}

func (o *permissionsOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with providers, auth_id and config.yml")
	c.Flags().StringVar(&o.cacheDir, "cache-dir", defaultCacheDir, "`DIR` with the providers' keys")
	c.Flags().StringVar(&o.user, "user", "", "the `USER` that sshd runs the verifier as (default: what sshd says, else "+defaultCommandUser+")")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what is looked at")
}

func permissionsCommand() *cobra.Command {
	c := commandgroup.New("permissions", "check and mend who owns the host's files, and who may write them", `  verifier permissions check
  verifier permissions fix --dry-run
  verifier permissions install`)
	c.Long = `files of the host belong to root, are writable by nobody else, and can be read by the user that sshd runs the
verifier as. The cache folder is that user's alone. A login leaves out what is not so.`
	c.AddCommand(
		permissionsSubcommand("check", "say what is not as it should be",
			"say what permissions fix would do, and what it could not. Nothing is changed.\n\nExit status: 0 all is well; 1 something is not; 2 wrong usage.", false, true),
		permissionsSubcommand("fix", "mend owners, groups and modes of what is there", `mend owners, groups and modes of what is there. Symbolic links are left alone, and so is what stands above the
folders. A file in the cache folder that is not its user's is removed: the provider is asked again.

What somebody else could write until now may hold what somebody else has written: look through it.

Exit status: 0 all is well now, or was before; 1 something is left to be done by hand; 2 wrong usage.`, false, false),
		permissionsSubcommand("install", "fix, and make folders and the log file where they are missing",
			`do what permissions fix does, and make the folders, and the log file that config.yml names, where they are missing.

Exit status: 0 all is well now, or was before; 1 something is left to be done by hand; 2 wrong usage.`, true, false),
	)
	return c
}

func permissionsSubcommand(name, short, long string, create, checkOnly bool) *cobra.Command {
	var options permissionsOptions
	c := &cobra.Command{
		Use: name, Short: short, Long: long,
		Example: "  verifier permissions " + name + "\n  verifier permissions " + name + " --user opksshuser --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			return runPermissions(cmd.Context(), options, create, checkOnly || options.dryRun, checkOnly, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c)
	if !checkOnly {
		c.Flags().BoolVar(&options.dryRun, "dry-run", false, "say what would be done, and do nothing")
	}
	return c
}

// permissionReport is a change as --json shows it.
type permissionReport struct {
	Path    string `json:"path"`
	Change  string `json:"change,omitempty"` // owner, group, mode, create or remove
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Done    bool   `json:"done"`
	Suspect bool   `json:"suspect,omitempty"` // somebody else than root could write it
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func newPermissionReport(c hostfiles.Change, planOnly bool) permissionReport {
	return permissionReport{
		Path: c.Path, Change: string(c.Kind), From: c.From, To: c.To, Done: !planOnly && c.Problem == "", Suspect: c.Suspect, Problem: c.Problem, Hint: c.Hint,
	}
}

// sentence says what is to be done, or was.
func (r permissionReport) sentence() string {
	text := r.Path + ": "
	switch {
	case r.Change == "":
		return text + r.Problem
	case r.Change == string(hostfiles.ChangeCreate):
		text += "create: " + r.To
	case r.Change == string(hostfiles.ChangeRemove):
		text += "remove: " + r.From
	default:
		text += r.Change + ": " + r.From + " to " + r.To
	}
	if r.Problem != "" {
		text += ": " + r.Problem
	}
	return text
}

func runPermissions(ctx context.Context, o permissionsOptions, create, planOnly, checkOnly bool, stdout, stderr io.Writer) error {
	layout, err := hostLayout(ctx, o.configDir, o.cacheDir, o.user)
	if err != nil {
		return err
	}
	if o.verbose {
		_, _ = fmt.Fprintln(stderr, printable.Text(fmt.Sprintf("%s, %s, for the user %s (uid %d)", layout.ConfigDir, layout.CacheDir, layout.User.Name, layout.User.UID)))
	}
	changes := layout.Plan(create)
	if !planOnly && len(changes) > 0 {
		if os.Geteuid() != 0 {
			return &exitError{text: "owners and modes of root's files are root's to change", hint: "run it as root; --dry-run shows what it would do", code: exitRefused}
		}
		changes = layout.Apply(create)
	}
	reports := []permissionReport{}
	left, suspect := false, false
	for _, c := range changes {
		reports = append(reports, newPermissionReport(c, planOnly))
		left = left || c.Problem != ""
		suspect = suspect || c.Suspect
	}
	if o.json {
		err = printable.JSON(stdout, reports)
	} else {
		err = printPermissions(stdout, stderr, reports, suspect)
	}
	switch {
	case err != nil:
		return err
	case left, checkOnly && len(reports) > 0:
		return errRefused
	}
	return nil
}

func printPermissions(stdout, stderr io.Writer, reports []permissionReport, suspect bool) error {
	for _, r := range reports {
		text := printable.Text(r.sentence()) + "\n"
		if r.Hint != "" {
			text += "hint: " + printable.Text(r.Hint) + "\n"
		}
		if _, err := io.WriteString(stdout, text); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		_, _ = fmt.Fprintln(stderr, "all is as it should be")
	}
	if suspect {
		_, _ = fmt.Fprintln(stderr, "hint: others than root could write some of these until now: look through what they say")
	}
	return nil
}

// hostLayout is what the host's files should be like.
func hostLayout(ctx context.Context, configDir, cacheDir, user string) (*hostfiles.Layout, error) {
	account, err := findCommandUser(ctx, user)
	if err != nil {
		return nil, err
	}
	return layoutFor(configDir, cacheDir, account), nil
}

func layoutFor(configDir, cacheDir string, account *hostfiles.Account) *hostfiles.Layout {
	layout := &hostfiles.Layout{ConfigDir: configDir, CacheDir: cacheDir, User: account}
	// A config.yml that cannot be trusted says nothing about the log yet.
	if config, err := readConfig(configDir); err == nil && filepath.IsAbs(config.Log.To) {
		layout.LogFile = config.Log.To
	}
	return layout
}
