package hostcli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

type doctorOptions struct {
	auditOptions
	logFile string
}

func doctorCommand() *cobra.Command {
	var options doctorOptions
	c := &cobra.Command{
		Use:   "doctor [USER]",
		Short: "find out why somebody cannot log in",
		Long: `walk the way of a login from the outside in: sshd, the files and who may write them, plugins, providers and rules, users, the
keys that are held, the network and the clocks, and the last refusals in the log. Say what to do, the outermost cause first.
USER is the user of this host that somebody could not log in as. Nothing is changed.

The checks are those of verifier audit. Run it as root: sshd tells nobody else its settings.

Exit status: 0 nothing is wrong with the host, though people may have been refused; 1 something is; 2 wrong usage.`,
		Example: `  verifier doctor
  verifier doctor alice
  verifier doctor --json --log-file /var/log/auth.log.1 alice`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(fmt.Errorf("expected one USER or none, got %q too", args[1]))
			}
			d := &doctor{logFile: options.logFile, auditor: newAuditor(options.auditOptions, time.Now())}
			if len(args) == 1 {
				d.forUser = args[0]
			}
			return d.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c.Flags())
	c.Flags().StringVar(&options.logFile, "log-file", "", "the `FILE` with the log (default: what config.yml says, else the journal)")
	return c
}

// doctor tells what the auditor finds step by step.
type doctor struct {
	*auditor
	logFile string
	report  doctorReport
}

// doctorReport is what --json shows.
type doctorReport struct {
	User    string         `json:"user,omitempty"`
	Healthy bool           `json:"healthy"`
	Steps   []doctorStep   `json:"steps"`
	Denials []denialReport `json:"denials"`
	Advice  []string       `json:"advice"` // what to do, in this order
}

type doctorStep struct {
	Name     string         `json:"name"`
	Result   string         `json:"result"` // ok, warning, error or skipped
	Findings []auditFinding `json:"findings"`

	about string
}

// denialReport is a refusal in the log.
type denialReport struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	User   string    `json:"user"`
	Email  string    `json:"email,omitempty"`
	Sub    string    `json:"sub,omitempty"`
	Reason string    `json:"reason"`
	Detail string    `json:"detail"`
	Advice string    `json:"advice"`
}

// maxDenials is how many refusals are told.
const maxDenials = 5

func (d *doctor) run(ctx context.Context, stdout, stderr io.Writer) error {
	d.report = doctorReport{User: d.forUser, Healthy: true, Steps: []doctorStep{}, Denials: []denialReport{}, Advice: []string{}}
	checks := append(slices.Clone(auditChecks), auditCheck{
		"log", "what the verifier has refused", func(_ *auditor, ctx context.Context) { d.checkLog(ctx) },
	})
	for _, check := range checks {
		if d.verbose {
			_, _ = fmt.Fprintf(stderr, "%s: %s\n", check.name, check.about)
		}
		step := doctorStep{Name: check.name, about: check.about, Result: "ok", Findings: []auditFinding{}}
		step.Findings = append(step.Findings, d.auditor.run(ctx, check)...)
		if d.skipped {
			step.Result = "skipped"
		}
		for _, f := range step.Findings {
			if f.Severity == policy.SeverityError || f.Severity == policy.SeverityWarning && step.Result != "error" {
				step.Result = string(f.Severity)
			}
			d.report.Healthy = d.report.Healthy && !f.isSerious()
		}
		d.report.Steps = append(d.report.Steps, step)
		if !d.json {
			if err := step.print(stdout); err != nil {
				return err
			}
		}
	}
	d.advise()
	var err error
	if d.json {
		err = printable.JSON(stdout, d.report)
	} else {
		err = d.printEnd(stdout)
	}
	if err == nil && !d.report.Healthy {
		return errRefused
	}
	return err
}

func (s doctorStep) print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%-8s %s: %s\n", s.Result, s.Name, s.about); err != nil {
		return err
	}
	for _, f := range s.Findings {
		if err := f.print(w, "         "); err != nil {
			return err
		}
	}
	return nil
}

func (d *doctor) printEnd(w io.Writer) error {
	for _, denial := range d.report.Denials {
		who := denial.Email
		if who == "" {
			who = denial.Sub
		}
		if who == "" {
			who = "somebody"
		}
		text := fmt.Sprintf("refused  %s %s as %s: %s", denial.Time.UTC().Format(time.RFC3339), who, denial.User, denial.Detail)
		if _, err := fmt.Fprintln(w, printable.Text(text)); err != nil {
			return err
		}
	}
	head := "what to do:"
	if len(d.report.Advice) == 0 {
		head = "nothing to do"
	}
	if _, err := fmt.Fprintln(w, head); err != nil {
		return err
	}
	for i, advice := range d.report.Advice {
		if _, err := fmt.Fprintf(w, "%d. %s\n", i+1, printable.Text(advice)); err != nil {
			return err
		}
	}
	return nil
}

// advise collects what to do: errors first, from the outside in, then refusals, then warnings.
func (d *doctor) advise() {
	add := func(advice string) {
		if advice != "" && !slices.Contains(d.report.Advice, advice) {
			d.report.Advice = append(d.report.Advice, advice)
		}
	}
	of := func(severity policy.Severity) {
		for _, f := range d.findings {
			if f.Severity != severity {
				continue
			}
			advice := f.Hint
			if advice == "" {
				advice = f.Text
			}
			if f.File != "" {
				advice = place(f.File, f.Line, f.Column) + ": " + advice
			}
			add(advice)
		}
	}
	of(policy.SeverityError)
	for _, denial := range d.report.Denials {
		add(denial.Advice)
	}
	of(policy.SeverityWarning)
	for _, f := range d.findings {
		if f.Code == codeNothingLogged {
			add(f.Hint)
		}
	}
}

// checkLog looks for the last refusals. They are no fault of the host's.
func (d *doctor) checkLog(ctx context.Context) {
	if d.forUser != "" {
		d.checkAskedFor()
	}
	var writers []uint32
	if d.account != nil {
		writers = []uint32{d.account.UID, 0} // root has tried it out
	}
	decisions, where, err := recentDecisions(ctx, d.logFile, d.forUser, writers, d.config)
	if err != nil {
		d.note(codeLogNotChecked, err.Error(), "--log-file names the file that the log is in")
		return
	}
	for _, decision := range decisions {
		if decision.Decision != "deny" || len(d.report.Denials) == maxDenials {
			continue
		}
		d.report.Denials = append(d.report.Denials, denialReport{
			ID: decision.ID, Time: decision.Time, User: decision.User, Email: decision.Email, Sub: decision.Subject,
			Reason: decision.Reason, Detail: decision.Detail, Advice: adviceFor(decision),
		})
	}
	switch {
	case len(decisions) == 0:
		d.note(codeNothingLogged, "no decision is in "+where,
			"if somebody has tried: on their computer, opkssh status, and ssh -v shows whether the certificate is offered; on this one, sshd's own log")
	case len(d.report.Denials) > 0:
		d.note(codeDenied, "the last refusals in "+where+" stand below", "")
	}
}

// checkAskedFor is about the one user: home rules and plugins may let people in all the same.
func (d *doctor) checkAskedFor() {
	if !d.closed && !slices.Contains(d.principals(), d.forUser) {
		d.warning(codeNoSuchRule, fmt.Sprintf("no rule in %s names the user %s", d.configDir, d.forUser), "verifier add "+d.forUser+" EMAIL ISSUER")
	}
}
