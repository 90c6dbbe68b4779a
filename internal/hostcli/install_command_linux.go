package hostcli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"opkssh/internal/installer"
	"opkssh/internal/printable"
)

// installOptions are the flags of install and uninstall.
type installOptions struct {
	root                                   string
	dryRun, json, noReload, purge, verbose bool
}

func (o *installOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.root, "root", "/", "`DIR` with the image of a system, of which nothing is run")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON object for scripts")
	c.Flags().BoolVar(&o.noReload, "no-reload", false, "do not make a running sshd read its configuration")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say why, for each step")
}

func installCommands() []*cobra.Command {
	return []*cobra.Command{installCommand(), uninstallCommand()}
}

func installCommand() *cobra.Command {
	var options installOptions
	c := &cobra.Command{
		Use:   "install",
		Short: "set this host up: user, folders, default rules, sshd, sudo, SELinux, timer",
		Long: `set this host up for logins with OpenID Connect identities. Nobody is let in yet: see verifier add.

It makes what is missing of
  the user and group opksshuser, with an ID for system users;
  /usr/local/bin/verifier, a copy of this program, if it runs from elsewhere;
  /etc/opk with providers, auth_id and config.yml, with comments; what is there stays as it is;
  /var/cache/opkssh for the providers' keys;
  /etc/sudoers.d/opkssh, where there is sudo and config.yml does not switch home rules off;
  an SELinux module, where SELinux is;
  a timer that refreshes the keys, where systemd is;
  /etc/ssh/sshd_config.d/10-opkssh.conf, or lines at the top of an sshd_config that includes no such files.

If sshd asks another AuthorizedKeysCommand, nothing is done. If it asks another version of this program, or an older
opkssh, that one goes on to decide, and install says what to do. If it asks one as another user, all is made for that
user, or nothing is done where that is root or nobody who is there. sshd is told to read its configuration only when
sshd -t accepts it, and sshd -T says that the verifier is asked. When a step fails, all are taken back, but for what
somebody has changed meanwhile, which is named. What was made
is in ` + installer.ManifestPath + `, from which verifier uninstall takes it back. It can be run again at any time.

Exit status: 0 done, or nothing was to be done; 1 refused or failed, and the host is as it was; 2 wrong usage.`,
		Example: `  verifier install --dry-run
  verifier install
  verifier install --root /mnt/image`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInstall(cmd, &options, args, installer.PlanInstall)
		},
	}
	options.register(c)
	return c
}

func uninstallCommand() *cobra.Command {
	var options installOptions
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "take back what install has done",
		Long: `take back what verifier install has done, by its list in ` + installer.ManifestPath + `.

Files that were changed since are kept and named, such as rules in /etc/opk. If it is the file for sshd that was
changed, nothing is done. With --purge those go, too, and so does all of /etc/opk, unless that is a link.

Nothing is done, either, while other lines make sshd ask the program that goes, or run a command as the user that goes.

Logs stay, but for one in a folder that goes; the one that config.yml names becomes root's. Sessions that are open go on.

Exit status: 0 done, or nothing was to be done; 1 refused or failed, and the host is as it was; 2 wrong usage.`,
		Example: `  verifier uninstall --dry-run
  verifier uninstall
  verifier uninstall --purge`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInstall(cmd, &options, args, installer.PlanUninstall)
		},
	}
	options.register(c)
	c.Flags().BoolVar(&options.purge, "purge", false, "remove what was changed since, too, and all of /etc/opk")
	return c
}

// installReport is what --json shows.
type installReport struct {
	Changed bool             `json:"changed"` // with --dry-run: would be
	DryRun  bool             `json:"dry_run,omitempty"`
	Steps   []installer.Step `json:"steps"`
	Remarks []string         `json:"remarks"`
}

func runInstall(cmd *cobra.Command, options *installOptions, args []string, plan func(installer.Options) (*installer.Plan, error)) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("unexpected %q", args[0]))
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	root := options.root
	if root == "/" {
		root = ""
	}
	p, err := plan(installer.Options{Root: root, Program: program, Version: versionText(), NoReload: options.noReload, Purge: options.purge})
	if err != nil {
		return installError(err)
	}
	defer func() { _ = p.Close() }()
	if !options.dryRun {
		// Half an installation is worse than one that goes on when the connection breaks. A program that is being run still gets Ctrl-C,
		// and its end takes everything back.
		interrupts := make(chan os.Signal, 1)
		signal.Notify(interrupts, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		defer signal.Stop(interrupts)
		if err := p.Apply(); err != nil {
			return takenBack(err)
		}
	}
	return options.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), p)
}

func (o *installOptions) print(stdout, stderr io.Writer, p *installer.Plan) error {
	if o.json {
		report := installReport{Changed: len(p.Steps) > 0, DryRun: o.dryRun, Steps: p.Steps, Remarks: p.Remarks}
		if report.Steps == nil {
			report.Steps = []installer.Step{}
		}
		if report.Remarks == nil {
			report.Remarks = []string{}
		}
		return printable.JSON(stdout, report)
	}
	would := ""
	if o.dryRun {
		would = "would "
	}
	for _, step := range p.Steps {
		line := would + step.Action + " " + step.Path
		if o.dryRun || o.verbose {
			line += ": " + step.Reason
		}
		if _, err := fmt.Fprintln(stdout, printable.Text(line)); err != nil {
			return err
		}
	}
	if len(p.Steps) == 0 {
		if _, err := fmt.Fprintln(stdout, "nothing to do"); err != nil {
			return err
		}
	}
	for _, remark := range p.Remarks {
		_, _ = fmt.Fprintln(stderr, printable.Text(remark))
	}
	return nil
}

// takenBack is the error of a step that failed.
func takenBack(err error) error {
	exit := installError(err)
	if exit.hint != "" {
		exit.hint += "; "
	}
	exit.hint += "the host is as it was before, but for what this says could not be taken back"
	return exit
}

func installError(err error) *exitError {
	exit := &exitError{text: err.Error(), code: exitRefused}
	var refusal *installer.Refusal
	if errors.As(err, &refusal) {
		exit.hint = refusal.Hint
	}
	return exit
}
