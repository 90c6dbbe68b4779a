package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"opkssh/pkg/pktoken"
)

// A bundle carries what one host holds to another that cannot reach the providers: a JSON object with the files of the cache.
// Whoever can change it on its way decides whose signatures the other host believes.
const (
	bundleFormat  = "opkssh-provider-keys"
	bundleVersion = "1"
	maxBundle     = 64 << 20
)

// importTolerance is how far another host's clock may be ahead of ours.
const importTolerance = time.Minute

// Export gives what is held of the issuers that wanted names, and those of them of which something is held. The documents keep the time at
// which they were fetched. nil wants all. Errors are [*Error] with [ReasonFolder].
func (c *Cache) Export(wanted func(issuer string) bool) (bundle []byte, issuers []string, err error) {
	f, err := openFolder(c.Dir, false)
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	entries, err := c.Entries()
	if err != nil {
		return nil, nil, err
	}
	providers := []any{}
	for _, e := range entries {
		if wanted != nil && !wanted(e.Issuer) {
			continue
		}
		p, err := f.provider(providerFileName(e.Issuer), e.Issuer)
		if err != nil {
			return nil, nil, &Error{Reason: ReasonFolder, URL: e.Path, Err: err}
		}
		providers = append(providers, p.object())
		issuers = append(issuers, e.Issuer)
	}
	bundle, err = encodeJSON(map[string]any{"format": bundleFormat, "version": json.Number(bundleVersion), "providers": providers})
	if err != nil {
		return nil, nil, &Error{Reason: ReasonFolder, URL: f.path, Err: err}
	}
	return bundle, issuers, nil
}

// Imported is what became of one issuer of a bundle.
type Imported struct {
	Issuer     string    // "" where the entry names none
	FetchedAt  time.Time // by the host that exported it
	FreshUntil time.Time
	StaleUntil time.Time // not used from then on
	Changed    bool      // false: what is held was fetched then or later, and stays
	Err        error     // why it was not taken
}

// Import takes what a bundle has of the issuers that accept names. It is held to what is demanded of a provider's own answer. The time
// at which it was fetched stays: it is no fresher here than where it comes from, what is too old to serve is not taken,
// and what is held already and is newer is left alone. One issuer's fault does not keep the others out. With dryRun
// nothing is written. The error is about the bundle as a whole, or an [*Error] with [ReasonFolder], and then nothing is taken.
func (c *Cache) Import(ctx context.Context, bundle []byte, accept func(issuer string) error, dryRun bool) ([]Imported, error) {
	providers, err := readBundle(bundle)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(c.Dir, !dryRun)
	if err != nil && (!dryRun || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	if f != nil {
		defer f.close()
	}
	var all []Imported
	for _, object := range providers {
		issuer, _ := object["issuer"].(string)
		r := Imported{Issuer: issuer}
		if issuer == "" {
			r.Err = errors.New("expected an issuer")
		} else if r.Err = accept(issuer); r.Err == nil {
			c.importOne(ctx, f, object, dryRun, &r)
		}
		all = append(all, r)
	}
	return all, nil
}

func readBundle(data []byte) (providers []map[string]any, err error) {
	if len(data) > maxBundle {
		return nil, fmt.Errorf("bundle: expected at most %d bytes, got more", maxBundle)
	}
	object, err := pktoken.ParseObject(data)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if object["format"] != bundleFormat {
		return nil, fmt.Errorf("bundle: expected the format %q", bundleFormat)
	}
	if v := object["version"]; v != json.Number(bundleVersion) {
		return nil, fmt.Errorf("bundle: expected the version %s, got %s", bundleVersion, shorten(fmt.Sprintf("%+q", fmt.Sprint(v))))
	}
	list, ok := object["providers"].([]any)
	if !ok {
		return nil, errors.New("bundle: expected a list of providers")
	}
	seen := map[string]bool{}
	for i, item := range list {
		provider, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("bundle: entry %d: expected an object", i+1)
		}
		issuer, _ := provider["issuer"].(string)
		if issuer != "" && seen[issuer] { // without one is a fault of the entry's own
			return nil, fmt.Errorf("bundle: entry %d: the issuer %+q stands twice", i+1, shorten(issuer))
		}
		seen[issuer] = true
		providers = append(providers, provider)
	}
	return providers, nil
}

// importOne fills in the rest of r.
func (c *Cache) importOne(ctx context.Context, f *folder, object map[string]any, dryRun bool, r *Imported) {
	p, err := c.checkImported(object, r.Issuer)
	if err != nil {
		r.Err = err
		return
	}
	r.FetchedAt, r.FreshUntil, r.StaleUntil = p.fetchedAt, p.freshUntil, p.freshUntil.Add(c.maxStale())
	name := providerFileName(r.Issuer)
	if f == nil {
		r.Changed = true
		return
	}
	if !dryRun {
		waiting, cancel := context.WithTimeout(ctx, 2*c.timeout())
		defer cancel()
		unlock, _, err := f.lock(waiting, name, func() bool { return false })
		if err != nil {
			r.Err = lockError(r.Issuer, err)
			return
		}
		defer unlock()
	}
	// What is held from the future is worth nothing, and is replaced.
	held, err := f.provider(name, r.Issuer)
	if err == nil && !held.fetchedAt.Before(p.fetchedAt) && !held.fetchedAt.After(c.now().Add(importTolerance)) {
		r.FetchedAt, r.FreshUntil, r.StaleUntil = held.fetchedAt, held.freshUntil, held.freshUntil.Add(c.maxStale())
		return
	}
	r.Changed = true
	if dryRun {
		return
	}
	data, err := p.encode()
	if err == nil {
		err = f.write(name+providerFileSuffix, data)
	}
	if err != nil {
		r.Err, r.Changed = &Error{Reason: ReasonFolder, URL: f.path, Err: err}, false
	}
}

// checkImported holds an entry to the rules for answers, and to those for age.
func (c *Cache) checkImported(object map[string]any, issuer string) (*provider, error) {
	if err := CheckIssuer(issuer); err != nil {
		return nil, err
	}
	p, err := readProvider(object, issuer)
	if err != nil {
		return nil, err
	}
	document, err := parseDiscovery([]byte(p.discovery), issuer)
	if err != nil {
		return nil, err
	}
	if _, err := document.metadata(); err != nil {
		return nil, err
	}
	if p.keys.Usable() == 0 {
		return nil, &Error{Reason: ReasonNoKeys, URL: issuer}
	}
	switch now := c.now(); {
	case p.fetchedAt.After(now.Add(importTolerance)):
		return nil, fmt.Errorf("expected keys that were fetched before now, got %s", p.fetchedAt.UTC().Format(time.RFC3339))
	case !p.servable(now, c.maxStale()):
		return nil, fmt.Errorf("expected keys that may still serve, got some that were fetched at %s and served until %s",
			p.fetchedAt.UTC().Format(time.RFC3339), p.freshUntil.Add(c.maxStale()).UTC().Format(time.RFC3339))
	}
	return p, nil
}

func encodeJSON(object map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(object); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
