package hostcli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"opkssh/internal/idp"
	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// keysRun is one run of a keys command.
type keysRun struct {
	keysOptions
	stdout, stderr io.Writer
}

// cache is the host's. A config.yml that cannot be used is an error here as for a login.
func (r *keysRun) cache() (*idp.Cache, error) {
	config, err := readConfig(r.configDir)
	if err != nil {
		return nil, configError(err)
	}
	return hostCache(r.cacheDir, config, refreshTimeout, func(message string, args ...any) {
		if r.verbose {
			_, _ = fmt.Fprintln(r.stderr, printable.Text(message+" "+strings.TrimSpace(fmt.Sprintln(args...))))
		}
	}), nil
}

// issuers are those that are named, or all of providers.
func (r *keysRun) issuers(names []string) ([]string, error) {
	if _, err := readConfig(r.configDir); closedUnlessFor(err, r.user, "") {
		return nil, closedError(r.configDir)
	}
	configured, leftOut := hostIssuers(r.configDir)
	switch {
	case len(names) == 0 && len(configured) > 0:
		return configured, nil
	case len(names) == 0 && len(leftOut) > 0:
		return nil, unseenProviders("no row of providers can be used", leftOut)
	case len(names) == 0:
		return nil, &exitError{text: "providers names no issuer", hint: "verifier audit says what is wrong with it", code: exitRefused}
	}
	issuers := make([]string, len(names))
	for i, name := range names {
		issuers[i] = name
		if known, ok := policy.FindKnownProvider(name); ok {
			issuers[i] = known.Issuer
		}
		switch {
		case slices.Contains(configured, issuers[i]):
		case len(leftOut) > 0:
			return nil, unseenIssuer(issuers[i], leftOut)
		default:
			return nil, &exitError{
				text: fmt.Sprintf("no row of providers has the issuer %s", issuers[i]),
				hint: "issuers are compared letter by letter; verifier keys list shows those of this host", code: exitRefused,
			}
		}
	}
	return issuers, nil
}

// keysReport is what --json shows of one issuer.
type keysReport struct {
	Issuer     string     `json:"issuer"`
	Configured bool       `json:"configured"` // in providers
	State      string     `json:"state"`      // fresh, stale, too-old or missing
	FetchedAt  *time.Time `json:"fetched_at,omitempty"`
	FreshUntil *time.Time `json:"fresh_until,omitempty"` // the next refresh is at the first login from then on
	StaleUntil *time.Time `json:"stale_until,omitempty"`
	KeyIDs     []string   `json:"key_ids,omitempty"`
	File       string     `json:"file,omitempty"`
	Result     string     `json:"result,omitempty"` // of refresh and import: see there
	Error      string     `json:"error,omitempty"`

	keys int    // usable ones
	hint string // what to do about Error, or ""
}

const (
	keysFresh   = "fresh"
	keysStale   = "stale"
	keysTooOld  = "too-old"
	keysMissing = "missing"
)

func newKeysReport(e idp.Entry, now time.Time) keysReport {
	r := keysReport{Issuer: e.Issuer, KeyIDs: e.KeyIDs, File: e.Path, keys: e.Usable}
	for field, at := range map[**time.Time]time.Time{&r.FetchedAt: e.FetchedAt, &r.FreshUntil: e.FreshUntil, &r.StaleUntil: e.StaleUntil} {
		at = at.UTC().Truncate(time.Second)
		*field = &at
	}
	switch {
	case !now.Before(e.StaleUntil):
		r.State = keysTooOld
	case e.FetchedAt.After(now), !now.Before(e.FreshUntil):
		r.State = keysStale
	default:
		r.State = keysFresh
	}
	return r
}

// sentence says how old the keys are.
func (r keysReport) sentence(now time.Time) string {
	text := r.Issuer + ": " + r.State
	if r.FetchedAt != nil {
		switch r.State {
		case keysFresh:
			text += fmt.Sprintf(" for %s more", roundDuration(r.FreshUntil.Sub(now)))
		case keysStale:
			text += fmt.Sprintf(", in use for %s more while the provider does not answer", roundDuration(r.StaleUntil.Sub(now)))
		}
		text += fmt.Sprintf(", fetched %s ago, %s", roundDuration(now.Sub(*r.FetchedAt)), countOf(r.keys, "key"))
	}
	switch {
	case r.Error == maybeConfigured:
		text += ", " + r.Error
	case !r.Configured:
		text += ", not in providers"
	}
	return text
}

// roundDuration leaves out what nobody reads.
func roundDuration(d time.Duration) string {
	unit := time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= time.Hour:
		unit = time.Minute
	}
	text := d.Round(unit).String()
	if unit == time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// heldKeys are the host's issuers and those of which keys are held, by issuer.
func heldKeys(cache *idp.Cache, configured []string, now time.Time) ([]keysReport, error) {
	entries, err := cache.Entries()
	if err != nil {
		return nil, err
	}
	reports := []keysReport{}
	for _, e := range entries {
		r := newKeysReport(e, now)
		r.Configured = slices.Contains(configured, e.Issuer)
		reports = append(reports, r)
	}
	for _, issuer := range configured {
		if !slices.ContainsFunc(reports, func(r keysReport) bool { return r.Issuer == issuer }) {
			reports = append(reports, keysReport{Issuer: issuer, Configured: true, State: keysMissing})
		}
	}
	slices.SortFunc(reports, func(a, b keysReport) int { return strings.Compare(a.Issuer, b.Issuer) })
	return reports, nil
}

func (r *keysRun) list() error {
	cache, err := r.cache()
	if err != nil {
		return err
	}
	now := time.Now()
	configured, leftOut := hostIssuers(r.configDir)
	reports, err := heldKeys(cache, configured, now)
	if err != nil {
		return r.folderError(err)
	}
	for i := range reports {
		if !reports[i].Configured && len(leftOut) > 0 {
			reports[i].Error = maybeConfigured
		}
	}
	if r.json {
		err = printable.JSON(r.stdout, reports)
	} else {
		err = r.printList(reports, now)
	}
	if err != nil {
		return err
	}
	if len(reports)+len(leftOut) == 0 {
		_, _ = fmt.Fprintln(r.stderr, "no keys are held, and providers names no issuer")
	}
	return incomplete(leftOut, r.stderr)
}

func (r *keysRun) printList(reports []keysReport, now time.Time) error {
	for _, report := range reports {
		if _, err := fmt.Fprintln(r.stdout, printable.Text(report.sentence(now))); err != nil {
			return err
		}
	}
	return nil
}

func (r *keysRun) refresh(ctx context.Context, issuers []string) error {
	cache, err := r.cache()
	if err != nil {
		return err
	}
	before := map[string]string{}
	if entries, err := cache.Entries(); err == nil {
		for _, e := range entries {
			before[e.Issuer] = e.JWKS
		}
	}
	reports := make([]keysReport, len(issuers))
	failed := false
	for i, issuer := range issuers {
		reports[i] = r.refreshOne(ctx, cache, issuer, before)
		failed = failed || reports[i].Error != ""
		if r.json {
			continue
		}
		if err := r.printResult(reports[i]); err != nil {
			return err
		}
	}
	if r.json {
		if err := printable.JSON(r.stdout, reports); err != nil {
			return err
		}
	}
	if r.all {
		_, leftOut := hostIssuers(r.configDir)
		err = incomplete(leftOut, r.stderr)
	}
	if failed {
		return errRefused
	}
	return err
}

// refreshOne has the results refreshed, unchanged (asked, and the keys are the same) and failed.
func (r *keysRun) refreshOne(ctx context.Context, cache *idp.Cache, issuer string, before map[string]string) keysReport {
	err := cache.Refresh(ctx, issuer)
	report := keysReport{Issuer: issuer, State: keysMissing}
	entry, heldErr := cache.Entry(issuer)
	if heldErr == nil {
		report = newKeysReport(entry, time.Now())
	}
	report.Configured = true
	if err == nil {
		err = heldErr
	}
	if err != nil {
		report.Result, report.Error, report.hint = "failed", err.Error(), hintOf(err)
		return report
	}
	report.Result = "refreshed"
	if held, ok := before[issuer]; ok && held == entry.JWKS {
		report.Result = "unchanged"
	}
	return report
}

func (r *keysRun) printResult(report keysReport) error {
	if report.Error != "" {
		_, _ = fmt.Fprintln(r.stderr, printable.Text(report.Issuer+": "+report.Error))
		if report.hint != "" {
			_, _ = fmt.Fprintln(r.stderr, printable.Text("hint: "+report.hint))
		}
		if report.State != keysMissing {
			_, _ = fmt.Fprintln(r.stderr, printable.Text("hint: what is held stays: "+report.sentence(time.Now())))
		}
		return nil
	}
	_, err := fmt.Fprintln(r.stdout, printable.Text(fmt.Sprintf("%s: %s, %s, fresh until %s",
		report.Issuer, report.Result, countOf(report.keys, "key"), report.FreshUntil.Format(time.RFC3339))))
	return err
}

// folderError says what to do about a folder that cannot be used.
func (r *keysRun) folderError(err error) error {
	return &exitError{text: err.Error(), hint: "verifier permissions install makes and mends the folder; --cache-dir names another", code: exitRefused}
}
