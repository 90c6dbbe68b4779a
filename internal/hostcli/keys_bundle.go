package hostcli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/idp"
	"opkssh/internal/printable"
)

// maxBundle is far longer than what a host holds.
const maxBundle = 64 << 20

func keysExportCommand() *cobra.Command {
	var options keysOptions
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "write the keys that are held to a file, for hosts that cannot reach the providers",
		Long: `write the keys that are held of this host's providers to FILE, or to standard output for -: one JSON object, which
keys import reads. Run keys refresh --all before. Nothing in it is secret, but whoever can change it decides whose
tokens the other host believes: carry it as you carry the host's configuration.

Exit status: 0 written; 1 no keys are held of an issuer, or rows of providers are left out: standard error names them,
and the keys of the others are written, or nothing could be written; 2 wrong usage.`,
		Example: `  verifier keys refresh --all && verifier keys export /srv/keys.json
  verifier keys export - | ssh offline-host sudo verifier keys import -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(fmt.Errorf("expected one FILE, or - for standard output"))
			}
			var bundle bytes.Buffer
			run := keysRun{options, &bundle, cmd.ErrOrStderr()}
			incomplete := run.asCacheOwner(cmd.Context(), nil, append(keysArguments("export", options), "-"), run.export)
			// What is held is worth having, without the rest.
			if incomplete != nil && !json.Valid(bundle.Bytes()) {
				return incomplete
			}
			if args[0] == "-" {
				if _, err := cmd.OutOrStdout().Write(bundle.Bytes()); err != nil {
					return err
				}
				return incomplete
			}
			if err := writeBundle(args[0], bundle.Bytes()); err != nil {
				return &exitError{text: err.Error(), code: exitRefused}
			}
			return incomplete
		},
	}
	options.register(c)
	return c
}

func keysImportCommand() *cobra.Command {
	var options keysOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "take keys that another host has exported",
		Long: `read keys from FILE, or from standard input for -, as keys export writes them. Only issuers of this host's providers
are taken. Keys are no fresher here than where they come from: they serve as long as if this host had fetched them
at that time, see max_stale of config.yml. What is held already and is newer stays.

Whoever can change FILE decides whose tokens this host believes.

Exit status: 0 keys of all of this host's issuers were taken, or are held; 1 of one there are none, or they could not be
taken, or rows of providers are left out: standard error names them; 2 wrong usage.`,
		Example: `  verifier keys import /srv/keys.json
  verifier keys import --dry-run --json - <keys.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(fmt.Errorf("expected one FILE, or - for standard input"))
			}
			bundle, err := readBundleFile(args[0], cmd.InOrStdin())
			if err != nil {
				return &exitError{text: err.Error(), code: exitRefused}
			}
			run := keysRun{options, cmd.OutOrStdout(), cmd.ErrOrStderr()}
			return run.asCacheOwner(cmd.Context(), bundle, append(keysArguments("import", options), "-"), func() error {
				return run.importBundle(cmd.Context(), bundle)
			})
		},
	}
	options.register(c)
	c.Flags().BoolVar(&options.dryRun, "dry-run", false, "say what would be taken, and write nothing")
	c.Flags().BoolVar(&options.json, "json", false, "print a JSON array for scripts")
	return c
}

func readBundleFile(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxBundle+1))
	if err == nil && len(data) > maxBundle {
		err = fmt.Errorf("%s: expected at most %d bytes", name, maxBundle)
	}
	return data, err
}

// writeBundle replaces the file as a whole, so that nobody reads a half of it.
func writeBundle(name string, data []byte) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: expected a regular file, or none (- is standard output)", name)
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	temporary := file.Name()
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(fs.FileMode(0o644))
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

func (r *keysRun) export() error {
	cache, err := r.cache()
	if err != nil {
		return err
	}
	configured, leftOut := hostIssuers(r.configDir)
	var unseen []string
	bundle, issuers, err := cache.Export(func(issuer string) bool {
		ours := slices.Contains(configured, issuer)
		if !ours && len(leftOut) > 0 {
			unseen = append(unseen, issuer)
		}
		return ours
	})
	switch {
	case err != nil:
		return r.folderError(err)
	case len(issuers) == 0 && len(leftOut) > 0:
		return unseenProviders("no keys are held of the rows of providers that can be used", leftOut)
	case len(issuers) == 0:
		return &exitError{text: "no keys are held of this host's providers", hint: "verifier keys refresh --all", code: exitRefused}
	}
	// Through the writer for people, who may look at it in a terminal.
	if err := printable.JSON(r.stdout, json.RawMessage(bundle)); err != nil {
		return err
	}
	for _, issuer := range unseen {
		_, _ = fmt.Fprintln(r.stderr, printable.Text(issuer+": "+maybeConfigured+", it is left out"))
	}
	err = incomplete(leftOut, r.stderr)
	missing := false
	for _, issuer := range configured {
		if !slices.Contains(issuers, issuer) {
			missing = true
			_, _ = fmt.Fprintln(r.stderr, printable.Text(issuer+": no keys are held, it is left out"))
		}
	}
	if missing {
		_, _ = fmt.Fprintln(r.stderr, "hint: verifier keys refresh --all")
		return errRefused
	}
	return err
}

// errNotConfigured is no failure: a bundle may be made for many hosts.
type errNotConfigured struct{}

func (errNotConfigured) Error() string { return "not in this host's providers" }

// errMaybeConfigured is a failure: this host may be in need of the keys.
var errMaybeConfigured = errors.New(maybeConfigured)

// importBundle has the results imported, unchanged (what is held is as new), left-out (not in providers) and failed, also of an issuer
// of which the bundle has no keys and this host holds none that may serve.
func (r *keysRun) importBundle(ctx context.Context, bundle []byte) error {
	cache, err := r.cache()
	if err != nil {
		return err
	}
	configured, leftOut := hostIssuers(r.configDir)
	imported, err := cache.Import(ctx, bundle, func(issuer string) error {
		switch {
		case slices.Contains(configured, issuer):
			return nil
		case len(leftOut) > 0:
			return errMaybeConfigured
		}
		return errNotConfigured{}
	}, r.dryRun)
	if folder := (*idp.Error)(nil); errors.As(err, &folder) {
		return r.folderError(err)
	}
	if err != nil {
		return &exitError{text: err.Error(), code: exitRefused}
	}
	reports := []keysReport{}
	failed := false
	for _, i := range imported {
		report := importReport(i, time.Now())
		failed = failed || report.Result == "failed"
		reports = append(reports, report)
		if !r.json {
			r.printImported(report)
		}
	}
	now := time.Now()
	for _, issuer := range configured {
		if slices.ContainsFunc(reports, func(report keysReport) bool { return report.Issuer == issuer }) {
			continue
		}
		report := keysReport{Issuer: issuer, Configured: true, State: keysMissing}
		if held, err := cache.Entry(issuer); err == nil {
			report = newKeysReport(held, now)
			report.Configured = true
		}
		text := "is in providers, and not in the bundle"
		if report.State == keysFresh || report.State == keysStale {
			_, _ = fmt.Fprintln(r.stderr, printable.Text(issuer+": "+text+": what is held stays"))
			continue
		}
		failed = true
		report.Result, report.Error = "failed", text+", and no keys are held that may serve"
		report.hint = "export it on a host that has it in providers, after verifier keys refresh --all"
		reports = append(reports, report)
		r.printImported(report) // with --json, too: nothing in the bundle is about it
	}
	if r.json {
		if err := printable.JSON(r.stdout, reports); err != nil {
			return err
		}
	}
	err = incomplete(leftOut, r.stderr)
	if failed {
		return errRefused
	}
	return err
}

func importReport(i idp.Imported, now time.Time) keysReport {
	r := keysReport{Issuer: i.Issuer, Configured: true, State: keysMissing}
	if i.Err == nil {
		r = newKeysReport(idp.Entry{Issuer: i.Issuer, FetchedAt: i.FetchedAt, FreshUntil: i.FreshUntil, StaleUntil: i.StaleUntil}, now)
		r.Configured = true
	}
	switch _, notOurs := i.Err.(errNotConfigured); {
	case notOurs:
		r.Configured, r.Result, r.Error = false, "left-out", i.Err.Error()
	case errors.Is(i.Err, errMaybeConfigured):
		r.Configured, r.Result, r.Error = false, "failed", i.Err.Error()
	case i.Err != nil:
		r.Result, r.Error = "failed", i.Err.Error()
	case i.Changed:
		r.Result = "imported"
	default:
		r.Result = "unchanged"
	}
	return r
}

func (r *keysRun) printImported(report keysReport) {
	switch report.Result {
	case "failed", "left-out":
		_, _ = fmt.Fprintln(r.stderr, printable.Text(cmp.Or(report.Issuer, "an entry of the bundle")+": "+report.Error))
		if report.hint != "" {
			_, _ = fmt.Fprintln(r.stderr, printable.Text("hint: "+report.hint))
		}
	default:
		_, _ = fmt.Fprintln(r.stdout, printable.Text(fmt.Sprintf("%s: %s, fetched at %s, in use until %s", report.Issuer, report.Result,
			report.FetchedAt.Format(time.RFC3339), report.StaleUntil.Format(time.RFC3339))))
	}
}
