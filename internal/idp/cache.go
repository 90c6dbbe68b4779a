package idp

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"opkssh/pkg/pktoken"
)

// The defaults of [Cache].
const (
	DefaultTTL        = time.Hour
	DefaultMaxStale   = 24 * time.Hour
	DefaultMinRefresh = 30 * time.Second
	DefaultTimeout    = 2 * time.Second
)

// Cache finds providers' documents and keys, and keeps them in a folder that all processes of a host share. It implements
// [pktoken.KeySet]. It may be used by several goroutines; its fields must not change after the first call.
//
// A folder that cannot be used, or that others can write to, is ignored: every call then asks the provider, and one warning
// is given. The folder is made, 0700, where it is missing.
type Cache struct {
	// Dir is the folder. It must belong to the effective user or root, with write permission for nobody else. Empty: no cache.
	Dir string
	// Network is how providers are reached. Nothing of it is looked at before a request must be made.
	Network Network
	// TTL is how long an answer without max-age is fresh, 24 h at most. Zero means [DefaultTTL].
	TTL time.Duration
	// MaxStale is how long after the end of its freshness an answer may serve while the provider cannot be reached.
	// Zero means [DefaultMaxStale].
	MaxStale time.Duration
	// MinRefresh is the least time between two requests that an unknown key ID or a failing provider causes, per issuer and
	// for all processes together. Zero means [DefaultMinRefresh].
	MinRefresh time.Duration
	// Timeout bounds a refresh, both documents together, while held keys may serve; where there are none it has twice as long.
	// Zero means [DefaultTimeout].
	Timeout time.Duration
	// Offline: nobody is asked and nothing is written; what is held serves, or there is an error with [ReasonNetwork].
	Offline bool
	// Now is the clock. nil means [time.Now].
	Now func() time.Time
	// Warn takes trouble that does not stop a login, with the arguments of [log/slog.Logger.Warn]. nil drops it.
	Warn func(message string, args ...any)

	folderWarning sync.Once
}

// Keys returns the issuer's key set, and asks the provider only where it must:
//
//   - Held keys that are fresh and usable are returned without a request.
//   - Otherwise one process asks, and the others wait for it, for three times Timeout at most. If it gets no good answer, the held
//     keys are returned while MaxStale allows.
//   - Within MinRefresh of the last request the held keys are returned at once: stale ones if it failed, fresh ones even if
//     they are not usable.
//
// Where nothing that may serve is held, MinRefresh does not hold requests back: a provider that is up again is found at once.
// A process that waited for another one's failure repeats it only where that took longer than Timeout. nil means that any set is usable.
// Errors are [*Error].
func (c *Cache) Keys(ctx context.Context, issuer string, usable func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	p, err := c.provider(ctx, issuer, usable)
	if err != nil {
		return nil, err
	}
	return p.keys, nil
}

// Discover returns the issuer's metadata, by the same rules as [Cache.Keys].
func (c *Cache) Discover(ctx context.Context, issuer string) (*Metadata, error) {
	p, err := c.provider(ctx, issuer, nil)
	if err != nil {
		return nil, err
	}
	document, err := parseDiscovery([]byte(p.discovery), issuer)
	if err != nil {
		return nil, err
	}
	return document.metadata()
}

// Refresh asks the provider whatever is held, and fails where the answer is not good or cannot be kept. What is held then stays.
func (c *Cache) Refresh(ctx context.Context, issuer string) error {
	if err := CheckIssuer(issuer); err != nil {
		return err
	}
	if c.Offline {
		return offlineError(issuer)
	}
	f, err := openFolder(c.Dir, true)
	if err != nil {
		return err
	}
	defer f.close()
	name := providerFileName(issuer)
	waiting, cancel := context.WithTimeout(ctx, 2*c.timeout())
	defer cancel()
	unlock, _, err := f.lock(waiting, name, func() bool { return false })
	if err != nil {
		return lockError(issuer, err)
	}
	defer unlock()
	_, err = c.fetchAndStore(ctx, f, issuer, nil)
	return err
}

// Entry describes what is held of one issuer.
type Entry struct {
	Issuer     string
	FetchedAt  time.Time
	FreshUntil time.Time
	StaleUntil time.Time // not used from then on
	KeyIDs     []string
	Usable     int    // keys that can verify a signature: a key needs no key ID
	JWKS       string // the document that they are in
	Path       string
}

// Entries lists what the folder holds, by issuer. Files that cannot be used are warned about and left out. A folder that is
// missing holds nothing. The error is an [*Error] with [ReasonFolder].
func (c *Cache) Entries() ([]Entry, error) {
	f, err := openFolder(c.Dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.close()
	names, err := f.names()
	if err != nil {
		return nil, &Error{Reason: ReasonFolder, URL: f.path, Err: err}
	}
	var entries []Entry
	for _, name := range names {
		if !strings.HasPrefix(name, "provider-") || !strings.HasSuffix(name, providerFileSuffix) {
			continue
		}
		p, err := f.provider(strings.TrimSuffix(name, providerFileSuffix), "")
		if err == nil && name != providerFileName(p.issuer)+providerFileSuffix {
			err = errors.New("named for another issuer")
		}
		if err != nil {
			c.warn("cache file ignored", "path", filepath.Join(f.path, name), "error", err)
			continue
		}
		entries = append(entries, c.entry(f, p))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Issuer, b.Issuer) })
	return entries, nil
}

// Entry describes what is held of one issuer, and reads no other's file. The error is an [*Error] with [ReasonFolder], which wraps
// [fs.ErrNotExist] where nothing is held.
func (c *Cache) Entry(issuer string) (Entry, error) {
	f, err := openFolder(c.Dir, false)
	if err != nil {
		return Entry{}, err
	}
	defer f.close()
	p, err := f.provider(providerFileName(issuer), issuer)
	if err != nil {
		return Entry{}, &Error{Reason: ReasonFolder, URL: f.path, Err: err}
	}
	return c.entry(f, p), nil
}

func (c *Cache) entry(f *folder, p *provider) Entry {
	return Entry{
		Issuer: p.issuer, FetchedAt: p.fetchedAt, FreshUntil: p.freshUntil, StaleUntil: p.freshUntil.Add(c.maxStale()),
		KeyIDs: p.keys.KeyIDs(), Usable: p.keys.Usable(), JWKS: p.jwks, Path: filepath.Join(f.path, providerFileName(p.issuer)+providerFileSuffix),
	}
}

func (f *folder) provider(name, issuer string) (*provider, error) {
	data, err := f.read(name + providerFileSuffix)
	if err != nil {
		return nil, err
	}
	return parseProviderFile(data, issuer)
}

// provider implements the rules that [Cache.Keys] documents.
func (c *Cache) provider(ctx context.Context, issuer string, usable func(*pktoken.JWKS) bool) (*provider, error) {
	if err := CheckIssuer(issuer); err != nil {
		return nil, err
	}
	f := c.folder()
	if f == nil {
		return c.fetch(ctx, issuer, nil)
	}
	defer f.close()
	name := providerFileName(issuer)
	var held *provider
	// serve loads what is held, and says whether to return it without a request.
	serve := func(locked bool) bool {
		var err error
		if held, err = f.provider(name, issuer); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.warn("cache file ignored", "path", filepath.Join(f.path, name+providerFileSuffix), "error", err)
		}
		now := c.now()
		if !held.servable(now, c.maxStale()) {
			return false
		}
		good, fresh := usable == nil || usable(held.keys), held.fresh(now)
		if fresh && good {
			return true
		}
		// Without the lock, the last request may still be under way, with the wanted key in its answer.
		if !good && !locked {
			return false
		}
		last := f.lastAttempt(name)
		failed := last.After(held.fetchedAt)
		return failed && recent(last, now, c.minRefresh()) || fresh && recent(held.fetchedAt, now, c.minRefresh())
	}
	if serve(false) {
		return held, nil
	}
	if c.Offline {
		return c.orHeld(held, offlineError(issuer))
	}

	waiting, cancel := context.WithTimeout(ctx, 3*c.timeout())
	defer cancel()
	unlock, waited, err := f.lock(waiting, name, func() bool { return serve(false) })
	switch {
	case err == nil && unlock == nil:
		return held, nil
	case err != nil && waiting.Err() != nil:
		return c.orHeld(held, lockError(issuer, err))
	case err != nil:
		c.warnFolder(err)
		p, err := c.fetch(ctx, issuer, held)
		if err != nil {
			return c.orHeld(held, err)
		}
		return p, nil
	}
	defer unlock()
	if serve(true) {
		return held, nil
	}
	// An answer that took too long may well come in time now; one that was bad at once would be again.
	if waited && !held.servable(c.now(), c.maxStale()) && recent(f.lastAttempt(name), c.now(), min(c.timeout(), c.minRefresh())) {
		return nil, &Error{Reason: ReasonBusy, URL: issuer, Detail: "another process asked at the same time, in vain"}
	}
	p, err := c.fetchAndStore(ctx, f, issuer, held)
	if p == nil {
		return c.orHeld(held, err)
	}
	if err != nil {
		c.warnFolder(err)
	}
	return p, nil
}

// orHeld falls back on what is held when a request failed.
func (c *Cache) orHeld(held *provider, err error) (*provider, error) {
	if !held.servable(c.now(), c.maxStale()) {
		return nil, err
	}
	c.warn("provider keys not refreshed, the held ones serve", "issuer", held.issuer, "fetched_at", held.fetchedAt, "error", err)
	return held, nil
}

// fetchAndStore needs the lock. It returns what was fetched together with an error where it could not be kept.
func (c *Cache) fetchAndStore(ctx context.Context, f *folder, issuer string, held *provider) (*provider, error) {
	name := providerFileName(issuer)
	attemptErr := f.recordAttempt(name, c.now())
	p, err := c.fetch(ctx, issuer, held)
	if err != nil {
		return nil, err
	}
	data, err := p.encode()
	if err == nil {
		err = f.write(name+providerFileSuffix, data)
	}
	if err == nil {
		err = attemptErr
	}
	if err != nil {
		return p, &Error{Reason: ReasonFolder, URL: f.path, Err: err}
	}
	return p, nil
}

// fetch asks for both documents. The discovery document is fetched each time, because the key set may move; without a good
// one the key set is not asked for at its old place.
func (c *Cache) fetch(ctx context.Context, issuer string, held *provider) (*provider, error) {
	if c.Offline {
		return nil, offlineError(issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience(held))
	defer cancel()
	client, err := c.Network.Client(issuer)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	p := &provider{issuer: issuer, fetchedAt: c.now()}
	discovery, discoveryHeader, err := getAnswer(ctx, client, discoveryURL(issuer), "", checkDocumentType)
	if err != nil {
		return nil, err
	}
	p.answeredAt, p.clock = c.now(), clockOf(discoveryHeader)
	document, err := parseDiscovery(discovery, issuer)
	if err != nil {
		return nil, err
	}
	uri, err := document.jwksURI()
	if err != nil {
		return nil, err
	}
	jwks, header, err := getAnswer(ctx, client, uri, "", checkDocumentType)
	if err != nil {
		return nil, err
	}
	if p.keys, err = pktoken.ParseJWKS(jwks); err != nil {
		return nil, &Error{Reason: ReasonMalformed, URL: uri, Err: err}
	}
	if p.keys.Usable() == 0 {
		return nil, &Error{Reason: ReasonNoKeys, URL: uri}
	}
	p.discovery, p.jwks = string(discovery), string(jwks)
	p.freshUntil = p.fetchedAt.Add(freshFor(header, c.ttl()))
	return p, nil
}

// patience is how long a request may take: without keys to fall back on there is nothing better to do than to wait.
func (c *Cache) patience(held *provider) time.Duration {
	if held.servable(c.now(), c.maxStale()) {
		return c.timeout()
	}
	return 2 * c.timeout()
}

func offlineError(issuer string) error {
	return &Error{Reason: ReasonNetwork, URL: issuer, Detail: "not asked, to stay offline, and no keys are held that may serve"}
}

func lockError(asked string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Error{Reason: ReasonBusy, URL: asked, Detail: "another process is still asking", Err: err}
	}
	return &Error{Reason: ReasonFolder, Detail: "lock", Err: err}
}

// folder is nil where there is none to use.
func (c *Cache) folder() *folder {
	if c.Dir == "" {
		return nil
	}
	f, err := openFolder(c.Dir, !c.Offline)
	if err != nil {
		c.warnFolder(err)
		return nil
	}
	return f
}

func (c *Cache) warnFolder(err error) {
	c.folderWarning.Do(func() {
		c.warn("provider cache not usable, asking the provider each time", "folder", c.Dir, "error", err)
	})
}

func (c *Cache) warn(message string, args ...any) {
	if c.Warn != nil {
		c.Warn(message, args...)
	}
}

// now has no monotonic part: it is compared with times of other processes.
func (c *Cache) now() time.Time {
	if c.Now != nil {
		return c.Now().Round(0)
	}
	return time.Now().Round(0)
}

func (c *Cache) ttl() time.Duration        { return cmp.Or(c.TTL, DefaultTTL) }
func (c *Cache) maxStale() time.Duration   { return cmp.Or(c.MaxStale, DefaultMaxStale) }
func (c *Cache) minRefresh() time.Duration { return cmp.Or(c.MinRefresh, DefaultMinRefresh) }
func (c *Cache) timeout() time.Duration    { return cmp.Or(c.Timeout, DefaultTimeout) }

var _ pktoken.KeySet = (*Cache)(nil)
