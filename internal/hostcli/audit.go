package hostcli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"opkssh/internal/hostfiles"
	"opkssh/internal/sshdsettings"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// auditOptions are the flags that audit and doctor have in common.
type auditOptions struct {
	configDir, cacheDir string // cacheDir may be "" where it does not matter
	commandUser         string
	sshd, sshdConfig    string
	offline             bool
	json, verbose       bool
}

func (o *auditOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with providers, auth_id and config.yml")
	flags.StringVar(&o.cacheDir, "cache-dir", defaultCacheDir, "`DIR` with the providers' keys")
	flags.StringVar(&o.commandUser, "user", "", "the `USER` that sshd runs the verifier as (default: what sshd says, else "+defaultCommandUser+")")
	flags.StringVar(&o.sshd, "sshd", "", "the `PROGRAM` of sshd (default: where systems have it)")
	flags.StringVar(&o.sshdConfig, "sshd-config", "", "its configuration `FILE` (default: its own)")
	flags.BoolVar(&o.offline, "offline", false, "do not ask the providers")
	flags.BoolVar(&o.json, "json", false, "print JSON for scripts")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what is checked")
}

// auditor holds a host against what a login needs. audit and doctor are two ways to tell what it finds.
type auditor struct {
	auditOptions
	now time.Time
	// forUser is the user that somebody could not log in as, or "".
	forUser string

	// What read has found. Nothing in it is nil but configErr.
	config    *policy.Config
	configErr error
	closed    bool // something is closed to the ordinary user who runs this
	providers []pktoken.Provider
	rules     []policy.Rule
	fileFinds []auditFinding
	// Of the check of sshd; nil where it could not be asked, or there is no such user.
	settings   *sshdsettings.Settings
	account    *hostfiles.Account
	unrunnable bool // the account cannot run the program
	unreadable bool // the account cannot read config.yml, or not even its folder
	// Of the check of keys: issuers with keys that may serve.
	held map[string]bool

	check    string
	skipped  bool // the check could not look at what it is about, or was told not to
	findings []auditFinding
	said     map[auditFinding]bool // what is in findings
}

// auditCheck is a part of the audit. Its name is in what it finds.
type auditCheck struct {
	name  string
	about string
	run   func(*auditor, context.Context)
}

// auditChecks are all there are, from the outside of a login in.
var auditChecks = []auditCheck{
	{"sshd", "sshd asks the verifier", (*auditor).checkSSHD},
	{"permissions", "owners and modes of the files", (*auditor).checkPermissions},
	{"files", "providers, auth_id, config.yml", (*auditor).checkFiles},
	{"plugins", "programs that config.yml and policy.d name", (*auditor).checkPrograms},
	{"sandbox", "what a login gives up before it looks at a token", (*auditor).checkSandbox},
	{"rules", "providers and rules fit together", (*auditor).checkRules},
	{"users", "users and their home rules", (*auditor).checkUsers},
	{"keys", "the providers' keys", (*auditor).checkKeys},
	{"network", "the providers answer, and their clocks", (*auditor).checkNetwork},
}

// newAuditor reads the host's files.
func newAuditor(options auditOptions, now time.Time) *auditor {
	for _, folder := range []*string{&options.configDir, &options.cacheDir} {
		if *folder == "" {
			continue
		}
		// What is said names the whole path. Without a working directory it stays as it is, and is opened in vain.
		if absolute, err := filepath.Abs(*folder); err == nil {
			*folder = absolute
		}
	}
	a := &auditor{auditOptions: options, now: now, held: map[string]bool{}}
	a.read()
	return a
}

// run makes one check and gives what it found.
func (a *auditor) run(ctx context.Context, check auditCheck) []auditFinding {
	before := len(a.findings)
	a.check, a.skipped = check.name, false
	check.run(a, ctx)
	return a.findings[before:]
}

func (a *auditor) add(f auditFinding) {
	f.Check = a.check
	if a.said == nil {
		a.said = map[auditFinding]bool{}
	}
	if !a.said[f] {
		a.said[f] = true
		a.findings = append(a.findings, f)
	}
}

func (a *auditor) error(code, text, hint string) {
	a.add(auditFinding{Code: code, Severity: policy.SeverityError, Text: text, Hint: hint})
}

func (a *auditor) warning(code, text, hint string) {
	a.add(auditFinding{Code: code, Severity: policy.SeverityWarning, Text: text, Hint: hint})
}

func (a *auditor) note(code, text, hint string) {
	a.add(auditFinding{Code: code, Severity: policy.SeverityNote, Text: text, Hint: hint})
}

// issuers are those of the providers, once each, in their order.
func (a *auditor) issuers() []string { return issuersOf(a.providers) }

func issuersOf(providers []pktoken.Provider) []string {
	var issuers []string
	seen := map[string]bool{}
	for _, p := range providers {
		if !seen[p.Issuer] {
			seen[p.Issuer] = true
			issuers = append(issuers, p.Issuer)
		}
	}
	return issuers
}
