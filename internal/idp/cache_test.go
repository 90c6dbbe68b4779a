package idp_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/internal/idp"
)

func TestFreshKeysNeedNoRequest(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir := filepath.Join(t.TempDir(), "a", "cache")
	wantKey(t, op.newCache(dir, now), op.issuer, "one", true)
	op.wantRequests(1, 1)
	now.move(time.Hour - time.Second)
	wantKey(t, op.newCache(dir, now), op.issuer, "one", true)
	if _, err := op.newCache(dir, now).Discover(context.Background(), op.issuer); err != nil {
		t.Error(err)
	}
	op.wantRequests(0, 0)

	// Nor a look at the network's settings, nor a warning.
	c := op.newCache(dir, now)
	c.Warn = func(message string, args ...any) { t.Error(message, args) }
	c.Network.Getenv = func(string) string { t.Error("environment read"); return "" }
	wantKey(t, c, op.issuer, "one", true)

	now.move(time.Second)
	op.setKeys("two")
	c.Network.Getenv = nil
	set, err := c.Keys(context.Background(), op.issuer, nil)
	if err != nil || !slices.Equal(set.KeyIDs(), []string{"two"}) {
		t.Errorf("expected the new keys, got %v, %v", set, err)
	}
	op.wantRequests(1, 1)
}

func TestMaxAgeDecides(t *testing.T) {
	op, now := newProvider(t), newClock()
	document := jwks(t, "one")
	op.set(jwksPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=7200")
		_, _ = w.Write(document)
	})
	c := op.newCache(t.TempDir(), now)
	wantKey(t, c, op.issuer, "one", true)
	now.move(2*time.Hour - time.Second)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)
	now.move(time.Second)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)
}

func TestShortTTLIsKept(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	c.TTL = time.Second
	for range 2 {
		wantKey(t, c, op.issuer, "one", true)
		op.wantRequests(1, 1)
		now.move(time.Second)
	}
}

func TestProviderDown(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)
	op.down()
	warnings := 0
	c.Warn = func(string, ...any) { warnings++ }

	now.move(time.Hour)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 0)
	if warnings != 1 {
		t.Errorf("expected a warning, got %d", warnings)
	}
	// The failure is remembered, for tokens of known and unknown keys.
	now.move(idp.DefaultMinRefresh - time.Second)
	wantKey(t, c, op.issuer, "one", true)
	wantKey(t, c, op.issuer, "two", false)
	op.wantRequests(0, 0)
	now.move(time.Second)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 0)

	// Until one hour of freshness and 24 hours after it are over.
	now.move(24*time.Hour - idp.DefaultMinRefresh - time.Second)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 0)
	now.move(time.Second)
	_, err := c.Keys(context.Background(), op.issuer, nil)
	wantReason(t, err, idp.ReasonStatus)
	// With nothing to serve, a failure does not hold requests back.
	_, err = c.Keys(context.Background(), op.issuer, nil)
	wantReason(t, err, idp.ReasonStatus)
	op.wantRequests(2, 0)
	op.up()
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)
}

func TestUnknownKeyRefreshes(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir := t.TempDir()
	wantKey(t, op.newCache(dir, now), op.issuer, "one", true)
	op.wantRequests(1, 1)
	// A moment ago is new enough.
	wantKey(t, op.newCache(dir, now), op.issuer, "two", false)
	op.wantRequests(0, 0)

	now.move(idp.DefaultMinRefresh)
	op.setKeys("one", "two")
	wantKey(t, op.newCache(dir, now), op.issuer, "two", true)
	op.wantRequests(1, 1)
	for range 5 {
		now.move(time.Second)
		wantKey(t, op.newCache(dir, now), op.issuer, "three", false)
	}
	op.wantRequests(0, 0)
	now.move(idp.DefaultMinRefresh)
	wantKey(t, op.newCache(dir, now), op.issuer, "three", false)
	wantKey(t, op.newCache(dir, now), op.issuer, "three", false)
	op.wantRequests(1, 1)

	// A provider that fails is not asked more often.
	op.down()
	now.move(idp.DefaultMinRefresh)
	for range 3 {
		wantKey(t, op.newCache(dir, now), op.issuer, "three", false)
	}
	op.wantRequests(1, 0)
}

func TestRotationRemovesKeys(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	wantKey(t, c, op.issuer, "one", true)
	now.move(time.Minute)
	op.setKeys("two")
	wantKey(t, c, op.issuer, "two", true)
	now.move(time.Minute)
	wantKey(t, c, op.issuer, "one", false)
}

func TestKeySetMoves(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	wantKey(t, c, op.issuer, "one", true)
	document := jwks(t, "two")
	op.set("/moved", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) })
	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(op.discovery(map[string]any{"jwks_uri": op.URL + "/moved"}))
	})
	now.move(time.Hour)
	wantKey(t, c, op.issuer, "two", true)
}

func TestClockJumps(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	now.move(10 * 365 * 24 * time.Hour)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)

	// Back by an hour: stale, and the attempt of the future holds nothing back.
	now.move(-time.Hour)
	op.down()
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 0)

	// Back by years: of unknown age, so not used.
	now.move(-10 * 365 * 24 * time.Hour)
	_, err := c.Keys(context.Background(), op.issuer, nil)
	wantReason(t, err, idp.ReasonStatus)
	op.wantRequests(1, 0)
	op.up()
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(1, 1)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(0, 0)
}

func TestForcedRefresh(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	for range 2 {
		if err := c.Refresh(context.Background(), op.issuer); err != nil {
			t.Fatal(err)
		}
	}
	op.wantRequests(2, 2)
	op.down()
	wantReason(t, c.Refresh(context.Background(), op.issuer), idp.ReasonStatus)
	op.wantRequests(1, 0)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(0, 0)
	wantReason(t, c.Refresh(context.Background(), "http://op.example.com"), idp.ReasonIssuer)
	wantReason(t, (&idp.Cache{}).Refresh(context.Background(), op.issuer), idp.ReasonFolder)
}

func TestEntries(t *testing.T) {
	first, second, now := newProvider(t), newProvider(t), newClock()
	dir := t.TempDir()
	started := now.Now()
	for _, op := range []*openIDProvider{first, second} {
		if err := op.newCache(dir, now).Refresh(context.Background(), op.issuer); err != nil {
			t.Fatal(err)
		}
	}
	// A file that cannot be read and one under another issuer's name are warned about, what is no provider's is none of this.
	whole, err := os.ReadFile(filepath.Join(dir, idp.ProviderFileName(first.issuer)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"provider-x-y.json": []byte("{"), "provider-copy.json": whole, "userinfo-x.json": []byte("{}")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	warnings := 0
	c := first.newCache(dir, now)
	c.Warn = func(string, ...any) { warnings++ }
	entries, err := c.Entries()
	if err != nil || len(entries) != 2 || warnings != 2 {
		t.Fatalf("expected 2 entries and 2 warnings, got %v, %v, %d", entries, err, warnings)
	}
	for _, e := range entries {
		if !e.FetchedAt.Equal(started) || !e.FreshUntil.Equal(started.Add(time.Hour)) || !e.StaleUntil.Equal(started.Add(25*time.Hour)) ||
			!slices.Equal(e.KeyIDs, []string{"one"}) || e.Usable != 1 || !strings.HasPrefix(e.JWKS, "{") {
			t.Errorf("got %+v", e)
		}
		if info, err := os.Stat(e.Path); err != nil || !info.Mode().IsRegular() {
			t.Errorf("path %q: %v", e.Path, err)
		}
		if one, err := c.Entry(e.Issuer); err != nil || one.Path != e.Path || !one.FreshUntil.Equal(e.FreshUntil) || warnings != 2 {
			t.Errorf("alone: expected %+v, got %+v, %v", e, one, err)
		}
	}
	if _, err := c.Entry("https://op.example.com"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing held: expected %v, got %v", fs.ErrNotExist, err)
	}
	missing := idp.Cache{Dir: filepath.Join(dir, "missing")}
	if entries, err := missing.Entries(); err != nil || len(entries) != 0 {
		t.Errorf("missing folder: got %v, %v", entries, err)
	}
	if _, err := missing.Entry(first.issuer); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: expected %v, got %v", fs.ErrNotExist, err)
	}
	if _, err := os.Stat(missing.Dir); err == nil {
		t.Error("the folder was made for reading")
	}
	_, err = (&idp.Cache{Dir: filepath.Join(dir, "provider-x-y.json")}).Entries()
	wantReason(t, err, idp.ReasonFolder)
}

func TestDiscover(t *testing.T) {
	op, now := newProvider(t), newClock()
	m, err := op.newCache(t.TempDir(), now).Discover(context.Background(), op.issuer)
	if err != nil {
		t.Fatal(err)
	}
	if m.Issuer != op.issuer || m.JWKSURI != op.URL+jwksPath || m.UserinfoEndpoint != op.URL+userinfoPath || m.EndSessionEndpoint != "" ||
		m.AuthorizationEndpoint != op.URL+"/authorize" || m.TokenEndpoint != op.URL+"/token" || m.DeviceAuthorizationEndpoint != op.URL+"/device" ||
		!m.AuthorizationResponseIss || !slices.Equal(m.ScopesSupported, []string{"openid", "email"}) ||
		!slices.Equal(m.CodeChallengeMethodsSupported, []string{"S256"}) || !slices.Equal(m.IDTokenSigningAlgValuesSupported, []string{"ES256"}) {
		t.Errorf("got %+v", m)
	}

	for _, test := range []struct {
		name    string
		members map[string]any
		want    idp.Reason
	}{
		{"plain http endpoint", map[string]any{"token_endpoint": "http://op.example.com/token"}, idp.ReasonEndpoint},
		{"plain http loopback endpoint", map[string]any{"token_endpoint": "http://127.0.0.1/token"}, idp.ReasonEndpoint},
		{"endpoint of another scheme", map[string]any{"authorization_endpoint": "javascript:alert(1)"}, idp.ReasonEndpoint},
		{"endpoint with a user", map[string]any{"device_authorization_endpoint": "https://a@op.example.com/"}, idp.ReasonEndpoint},
		{"endpoint with a fragment", map[string]any{"userinfo_endpoint": "https://op.example.com/#"}, idp.ReasonEndpoint},
		{"endpoint without a host", map[string]any{"token_endpoint": "https:token"}, idp.ReasonEndpoint},
		{"endpoint of another type", map[string]any{"token_endpoint": 1}, idp.ReasonMalformed},
		{"list of another type", map[string]any{"scopes_supported": "openid"}, idp.ReasonMalformed},
		{"list with another type", map[string]any{"scopes_supported": []any{"openid", 1}}, idp.ReasonMalformed},
		{"list with another type first", map[string]any{"scopes_supported": []any{1, "openid"}}, idp.ReasonMalformed},
		{"endpoint that is empty", map[string]any{"token_endpoint": ""}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(op.discovery(test.members)) })
			c := op.newCache(t.TempDir(), now)
			_, err := c.Discover(context.Background(), op.issuer)
			wantReasonOrNone(t, err, test.want)
			// Logins need none of these.
			wantKey(t, c, op.issuer, "one", true)
		})
	}
}

func TestDiscoverFails(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir := t.TempDir()
	if err := op.newCache(dir, now).Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	// A login reads the keys of this file, and they are still there.
	file := filepath.Join(dir, idp.ProviderFileName(op.issuer)+".json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(`"discovery":"{`), []byte(`"discovery":"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = op.newCache(dir, now).Discover(context.Background(), op.issuer)
	wantReason(t, err, idp.ReasonMalformed)
	op.down()
	_, err = op.newCache(t.TempDir(), now).Discover(context.Background(), op.issuer)
	wantReason(t, err, idp.ReasonStatus)
}

// TestOffline: nobody is asked, nothing is written, and what is held serves for as long as it would with a provider that is down.
func TestOffline(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir := t.TempDir()
	if err := op.newCache(dir, now).Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	if _, err := op.newCache(dir, now).Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
		t.Fatal(err)
	}
	op.wantRequests(1, 1)
	op.count(userinfoPath)
	// Neither locks nor attempts are left, so that new ones would show.
	for _, name := range names(t, dir) {
		if !strings.HasSuffix(name, ".json") {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := names(t, dir)
	warnings := 0
	offline := func(dir string) *idp.Cache {
		c := op.newCache(dir, now)
		c.Offline = true
		c.Warn = func(string, ...any) { warnings++ }
		return c
	}
	wantKey(t, offline(dir), op.issuer, "one", true)
	if warnings != 0 {
		t.Errorf("fresh keys: expected no warning, got %d", warnings)
	}
	wantKey(t, offline(dir), op.issuer, "two", false)
	if _, err := offline(dir).Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
		t.Error(err)
	}
	_, err := offline(dir).Userinfo(context.Background(), op.issuer, "another", "alice")
	wantReason(t, err, idp.ReasonNetwork)
	wantReason(t, offline(dir).Refresh(context.Background(), op.issuer), idp.ReasonNetwork)
	warnings = 0
	now.move(25*time.Hour - time.Second)
	wantKey(t, offline(dir), op.issuer, "one", true)
	if warnings == 0 {
		t.Error("stale keys: expected a warning")
	}
	now.move(time.Second)
	missing := filepath.Join(dir, "missing")
	for _, dir := range []string{dir, missing, ""} {
		_, err := offline(dir).Keys(context.Background(), op.issuer, nil)
		wantReason(t, err, idp.ReasonNetwork)
	}
	op.wantRequests(0, 0)
	if after := names(t, dir); !slices.Equal(before, after) || op.count(userinfoPath) != 0 {
		t.Errorf("expected the files %q, got %q", before, after)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestIssuers(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://op.example.com":             true,
		"https://op.example.com/tenant/v2.0": true,
		"https://op.example.com/":            true,
		"http://localhost:8080":              true,
		"http://127.0.0.1:8080":              true,
		"http://127.1.2.3":                   true,
		"http://[::1]:8080":                  true,
		"http://op.example.com":              false,
		"http://localhost.example.com":       false,
		"http://127.0.0.1.example.com":       false,
		"http://10.0.0.1":                    false,
		"https://op.example.com?x":           false,
		"https://op.example.com?":            false,
		"https://op.example.com/#":           false,
		"https://alice@op.example.com":       false,
		"https://":                           false,
		"https:op.example.com":               false,
		"ftp://op.example.com":               false,
		"ftp://127.0.0.1":                    false,
		"op.example.com":                     false,
		"":                                   false,
		"https://op.example.com/\n":          false,
		"https://op.example.com/" + strings.Repeat("a", 2048-23): true,
		"https://op.example.com/" + strings.Repeat("a", 2048-22): false,
	} {
		if err := idp.CheckIssuer(issuer); good && err != nil {
			t.Errorf("%q: %v", issuer, err)
		} else if !good {
			wantReason(t, err, idp.ReasonIssuer)
			_, err = (&idp.Cache{}).Keys(context.Background(), issuer, nil)
			wantReason(t, err, idp.ReasonIssuer)
		}
	}
}

func TestIssuerWithTrailingSlash(t *testing.T) {
	op, now := newProvider(t), newClock()
	op.issuer = op.URL + "/"
	c := op.newCache(t.TempDir(), now)
	wantKey(t, c, op.URL+"/", "one", true)
	_, err := c.Keys(context.Background(), op.URL, nil)
	wantReason(t, err, idp.ReasonIssuerMismatch)
}

func TestNoFolderAsksEachTime(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache("", now)
	c.Warn = func(message string, args ...any) { t.Error(message, args) }
	wantKey(t, c, op.issuer, "one", true)
	wantKey(t, c, op.issuer, "one", true)
	op.wantRequests(2, 2)
}

// BenchmarkFreshKeys is what a login pays for keys that are held.
func BenchmarkFreshKeys(b *testing.B) {
	op, now := newProvider(b), newClock()
	c := op.newCache(b.TempDir(), now)
	for b.Loop() {
		if _, err := c.Keys(context.Background(), op.issuer, hasKey("one")); err != nil {
			b.Fatal(err)
		}
	}
}
