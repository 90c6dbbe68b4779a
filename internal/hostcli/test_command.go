package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// testsFile is the name of the expectations in a host's folder.
const testsFile = "tests.yml"

// testReport is one expectation and what came of it, as --json shows it.
type testReport struct {
	Name     string `json:"name,omitempty"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	User     string `json:"user"`
	Who      string `json:"who"`
	Expected string `json:"expected"`
	Got      string `json:"got"` // allow, undecided or a reason code
	OK       bool   `json:"ok"`
	// WantedOptions and Options are there where the expectation has options.
	WantedOptions *string      `json:"expected_options,omitempty"`
	Options       *string      `json:"options,omitempty"`
	Explanation   *explanation `json:"explanation"`
}

func testCommand() *cobra.Command {
	var options decidingOptions
	c := &cobra.Command{
		Use:   "test [FILE]",
		Short: "hold the host's files to what they should decide",
		Long: `read from FILE who should and who should not be able to log in as whom, and ask the pipeline of a login about each of
them. Without FILE, tests.yml in --config-dir. No provider is asked: each person has just logged in, with the claims
that the test names and no others.

  tests:
    - user: root                          # required, as are issuer and expect
      issuer: https://sso.example.com     # or google, azure, microsoft, gitlab, hello
      email: alice@example.com            # at least one of email, sub and claims
      sub: "1234"
      email_verified: true
      claims: {groups: [ops, dev]}
      client_id: opkssh                   # default that of the issuer's first row
      expect: allow                       # or deny, or a reason code such as no-rule
      options: no-pty                     # with allow: the limits of the rule that decides; "" for none
      name: alice administers

Exit status: 0 all is as expected; 1 something is not, there is no test, or a file of the host cannot
be used; 2 wrong usage.`,
		Example: `  verifier test
  # in CI, on a checkout
  verifier check --config-dir etc/opk && verifier test --config-dir etc/opk --untrusted-files`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(fmt.Errorf("unexpected %q", args[1]))
			}
			if err := options.plugins.check(options.reader()); err != nil {
				return usageError(err)
			}
			file := filepath.Join(options.configDir, testsFile)
			if len(args) == 1 {
				file = args[0]
			}
			return runTest(cmd.Context(), &options, file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.register(c.Flags())
	return c
}

func runTest(ctx context.Context, options *decidingOptions, file string, stdout, stderr io.Writer) error {
	files := reader{untrusted: true}
	if options.untrusted {
		files = everybodysReader(filepath.Dir(file))
	}
	data, err := files.file(file, nil)
	if err != nil {
		exit := &exitError{text: err.Error(), code: exitRefused}
		if errors.Is(err, fs.ErrNotExist) {
			exit.hint = "verifier test --help shows what tests look like"
		}
		return exit
	}
	tests, err := policy.ParseExpectations(file, data)
	if err != nil {
		return &exitError{text: err.Error(), code: exitRefused}
	}
	keys, err := newHypotheticalKeys()
	if err != nil {
		return err
	}
	options.remarks(stderr)
	said := map[finding]bool{}
	incomplete := false
	var reports []testReport
	failed := 0
	for _, test := range tests {
		report, err := options.run(ctx, keys, &test)
		if err != nil {
			return &exitError{text: fmt.Sprintf("%s: %v", place(test.File, test.Line, 0), err), code: exitRefused}
		}
		if !report.OK {
			failed++
		}
		incomplete = incomplete || report.Got == sshauth.ReasonConfiguration
		for _, n := range report.Explanation.Findings {
			if !said[n] {
				said[n] = true
				_, _ = fmt.Fprintln(stderr, printable.Text(n.String()))
				incomplete = incomplete || n.Message == fileLeftOut
			}
		}
		if reports = append(reports, *report); options.json {
			continue
		}
		if err := report.print(stdout, options.verbose); err != nil {
			return err
		}
	}
	if options.json {
		if err := printable.JSON(stdout, reports); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(stderr, "%d of %d tests are as expected\n", len(tests)-failed, len(tests))
	switch {
	case incomplete:
		// Without the file that lets them in, all are refused as expected.
		e := &exitError{text: "a file was left out or cannot be used, so that the tests say little", code: exitRefused}
		if !options.untrusted {
			e.hint = "for a checkout or other files that are not root's: --untrusted-files"
		}
		return e
	case failed > 0:
		return errRefused
	}
	return nil
}

func (o *decidingOptions) run(ctx context.Context, keys *hypotheticalKeys, test *policy.Expectation) (*testReport, error) {
	now := time.Now()
	h := &hypothetical{
		issuer: issuerOf(test.Issuer), clientID: test.ClientID, subject: test.Subject, email: test.Email, claims: test.Claims,
		issuedAt: now, expiresAt: now.Add(time.Hour),
	}
	x, err := o.explainer(now).explain(ctx, test.User, hypotheticalOffer(keys, h))
	if err != nil {
		return nil, err
	}
	r := &testReport{
		Name: test.Name, File: test.File, Line: test.Line, User: test.User, Who: who(test), Expected: test.Expect, Got: x.Decision,
		Explanation: x,
	}
	if x.Decision == decisionDeny {
		r.Got = x.Reason
	}
	r.OK = test.Expect == x.Decision || test.Expect == x.Reason && x.Reason != ""
	if test.Options != nil {
		// ParseExpectations has read them.
		wanted, _ := policy.ParseOptions(*test.Options)
		text := policy.FormatOptions(wanted)
		r.WantedOptions, r.Options = &text, &x.Options
		r.OK = r.OK && text == x.Options
	}
	return r, nil
}

// who names the person of a test.
func who(test *policy.Expectation) string {
	text := ""
	add := func(name string, value any) {
		if text != "" {
			text += ", "
		}
		text += name + " " + claimText(value)
	}
	if test.Email != "" {
		add("email", test.Email)
	}
	if test.Subject != "" {
		add("sub", test.Subject)
	}
	for _, name := range slices.Sorted(maps.Keys(test.Claims)) {
		add(name, test.Claims[name])
	}
	return text + " at " + issuerOf(test.Issuer)
}

// print writes one line for what is as expected, and the whole explanation for what is not.
func (r *testReport) print(w io.Writer, verbose bool) error {
	result, what := "ok  ", r.Got
	if by := r.Explanation; by.RuleFile != "" {
		what += " (" + place(by.RuleFile, by.RuleLine, 0) + ")"
	}
	if !r.OK {
		result = "FAIL"
		if r.Expected == r.Got && r.WantedOptions != nil {
			what += fmt.Sprintf(": expected the options %s, got %s", quoted(*r.WantedOptions), quoted(*r.Options))
		} else {
			what = fmt.Sprintf("expected %s, got %s", r.Expected, what)
		}
	}
	name := ""
	if r.Name != "" {
		name = r.Name + ": "
	}
	line := fmt.Sprintf("%s %s: %s%s as %s: %s", result, place(r.File, r.Line, 0), name, r.Who, r.User, what)
	if _, err := fmt.Fprintln(w, printable.Text(line)); err != nil {
		return err
	}
	if r.OK && !verbose {
		return nil
	}
	return r.Explanation.print(indented{w}, verbose)
}

// indented sets lines off from those around them. Each write is of whole lines.
type indented struct{ to io.Writer }

func (i indented) Write(text []byte) (int, error) {
	if _, err := io.WriteString(i.to, "    "+strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n    ")+"\n"); err != nil {
		return 0, err
	}
	return len(text), nil
}
