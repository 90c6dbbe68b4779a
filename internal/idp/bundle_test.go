package idp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"opkssh/integration/allocation"
	"opkssh/internal/idp"
)

func anyIssuer(string) error { return nil }

// exported is a bundle with what one cache holds.
func exported(t *testing.T, c *idp.Cache) []byte {
	t.Helper()
	bundle, issuers, err := c.Export(nil)
	if err != nil || len(issuers) != 1 {
		t.Fatalf("expected one issuer, got %q, %v", issuers, err)
	}
	return bundle
}

func imported(t *testing.T, c *idp.Cache, bundle []byte) idp.Imported {
	t.Helper()
	all, err := c.Import(context.Background(), bundle, anyIssuer, false)
	if err != nil || len(all) != 1 {
		t.Fatalf("expected one issuer, got %+v, %v", all, err)
	}
	return all[0]
}

func TestBundle(t *testing.T) {
	op, now := newProvider(t), newClock()
	online, offline := op.newCache(t.TempDir(), now), op.newCache(t.TempDir(), now)
	ctx := context.Background()
	if err := online.Refresh(ctx, op.issuer); err != nil {
		t.Fatal(err)
	}
	fetched := now.Now()
	bundle := exported(t, online)
	op.count(discoveryPath)
	op.count(jwksPath)
	now.move(10 * time.Minute)

	// What is only tried leaves nothing.
	all, err := offline.Import(ctx, bundle, anyIssuer, true)
	if err != nil || len(all) != 1 || !all[0].Changed || all[0].Err != nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	if entries, err := offline.Entries(); err != nil || len(entries) != 0 {
		t.Fatalf("expected nothing, got %+v, %v", entries, err)
	}

	if r := imported(t, offline, bundle); r.Err != nil || !r.Changed || !r.FetchedAt.Equal(fetched) {
		t.Fatalf("got %+v", r)
	}
	wantKey(t, offline, op.issuer, "one", true)
	op.wantRequests(0, 0)
	entries, err := offline.Entries()
	if err != nil || len(entries) != 1 || !entries[0].FetchedAt.Equal(fetched) {
		t.Fatalf("expected the time %v of the host that asked, got %+v, %v", fetched, entries, err)
	}
	if r := imported(t, offline, bundle); r.Err != nil || r.Changed {
		t.Errorf("the same again: got %+v", r)
	}

	// Old keys do not take the place of new ones.
	op.setKeys("two")
	now.move(2 * time.Hour)
	if err := offline.Refresh(ctx, op.issuer); err != nil {
		t.Fatal(err)
	}
	if r := imported(t, offline, bundle); r.Err != nil || r.Changed || !r.FetchedAt.Equal(now.Now()) {
		t.Errorf("older than what is held: got %+v", r)
	}
	wantKey(t, offline, op.issuer, "two", true)

	// An import makes nothing fresh again, and ends with max_stale.
	now.move(23 * time.Hour)
	late := op.newCache(t.TempDir(), now)
	if r := imported(t, late, bundle); r.Err == nil || r.Changed {
		t.Errorf("too old to serve: got %+v", r)
	}
	late.MaxStale = 48 * time.Hour
	if r := imported(t, late, bundle); r.Err != nil || !r.Changed {
		t.Errorf("within max_stale: got %+v", r)
	}
	op.down()
	wantKey(t, late, op.issuer, "one", true)
	now.move(24 * time.Hour)
	if _, err := late.Keys(ctx, op.issuer, nil); err == nil {
		t.Error("expected no keys after max_stale")
	}
}

func TestExportOfSome(t *testing.T) {
	op, now := newProvider(t), newClock()
	c := op.newCache(t.TempDir(), now)
	if err := c.Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	bundle, issuers, err := c.Export(func(string) bool { return false })
	if err != nil || len(issuers) != 0 {
		t.Fatalf("got %q, %v", issuers, err)
	}
	if all, err := c.Import(context.Background(), bundle, anyIssuer, false); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	_, _, err = op.newCache(t.TempDir()+"/missing", now).Export(nil)
	wantReason(t, err, idp.ReasonFolder)
}

// edited changes one entry of a bundle.
func edited(t *testing.T, bundle []byte, change func(entry map[string]any)) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(bundle, &object); err != nil {
		t.Fatal(err)
	}
	change(object["providers"].([]any)[0].(map[string]any))
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestImportRefuses(t *testing.T) {
	op, now := newProvider(t), newClock()
	online := op.newCache(t.TempDir(), now)
	if err := online.Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	bundle := exported(t, online)
	set := func(name string, value any) func(map[string]any) { return func(e map[string]any) { e[name] = value } }
	for name, change := range map[string]func(map[string]any){
		"another issuer":     set("issuer", "https://op.example.com"),
		"no URL":             set("issuer", "op"),
		"plain http":         set("issuer", "http://op.example.com"),
		"no issuer":          func(e map[string]any) { delete(e, "issuer") },
		"another version":    set("version", 2),
		"discovery document": set("discovery", `{"issuer":"https://op.example.com"}`),
		"no key set's URL":   set("discovery", `{"issuer":"`+op.issuer+`"}`),
		"no JSON":            set("discovery", "{"),
		"empty key set":      set("jwks", `{"keys":[]}`),
		"symmetric key":      set("jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`),
		"from the future": func(e map[string]any) {
			e["fetched_at"], e["fresh_until"] = stamp(now, 2*time.Minute), stamp(now, time.Hour)
		},
		"fresh for days":       set("fresh_until", stamp(now, 48*time.Hour)),
		"ends before it began": set("fresh_until", stamp(now, -time.Hour)),
		"far too old": func(e map[string]any) {
			e["fetched_at"], e["fresh_until"] = stamp(now, -26*time.Hour), stamp(now, -25*time.Hour)
		},
	} {
		offline := op.newCache(t.TempDir(), now)
		all, err := offline.Import(context.Background(), edited(t, bundle, change), anyIssuer, false)
		if err != nil || len(all) != 1 || all[0].Err == nil || all[0].Changed {
			t.Errorf("%s: got %+v, %v", name, all, err)
		}
		if entries, err := offline.Entries(); err != nil || len(entries) != 0 {
			t.Errorf("%s: expected nothing to be held, got %+v, %v", name, entries, err)
		}
	}

	no := errors.New("not configured")
	all, err := op.newCache(t.TempDir(), now).Import(context.Background(), bundle, func(string) error { return no }, false)
	if err != nil || len(all) != 1 || !errors.Is(all[0].Err, no) {
		t.Errorf("not accepted: got %+v, %v", all, err)
	}

	twice := bytes.Replace(bundle, []byte(`"providers":[`), slices.Concat([]byte(`"providers":[`), entryOf(t, bundle), []byte(",")), 1)
	for name, data := range map[string][]byte{
		"empty":             nil,
		"an array":          []byte("[]"),
		"another format":    bytes.Replace(bundle, []byte("opkssh-provider-keys"), []byte("x"), 1),
		"another version":   bytes.Replace(bundle, []byte("\"version\":1}\n"), []byte("\"version\":2}"), 1),
		"no list":           []byte(`{"format":"opkssh-provider-keys","version":1,"providers":{}}`),
		"a list of strings": []byte(`{"format":"opkssh-provider-keys","version":1,"providers":["x"]}`),
		"twice the same":    twice,
	} {
		if _, err := op.newCache(t.TempDir(), now).Import(context.Background(), data, anyIssuer, false); err == nil || bytes.Equal(data, bundle) {
			t.Errorf("%s: expected an error", name)
		}
	}
}

func entryOf(t *testing.T, bundle []byte) []byte {
	t.Helper()
	var object struct{ Providers []json.RawMessage }
	if err := json.Unmarshal(bundle, &object); err != nil {
		t.Fatal(err)
	}
	return object.Providers[0]
}

func stamp(now *clock, d time.Duration) string { return now.Now().Add(d).Format(time.RFC3339Nano) }

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"format":"opkssh-provider-keys","version":1,"providers":[]}`))
	f.Add([]byte(`{"format":"opkssh-provider-keys","version":1,"providers":[{"version":1,"issuer":"https://op.example.com","fetched_at":"2026-03-01T12:00:00Z",` +
		`"fresh_until":"2026-03-01T13:00:00Z","discovery":"{\"issuer\":\"https://op.example.com\",\"jwks_uri\":\"https://op.example.com/keys\"}","jwks":"{\"keys\":[]}"}]}`))
	now := newClock()
	c := &idp.Cache{Dir: f.TempDir() + "/missing", Now: now.Now}
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []idp.Imported
		var err error
		allocation.Check(t, len(data), func() { all, err = c.Import(context.Background(), data, anyIssuer, true) })
		if err != nil {
			return
		}
		for _, r := range all {
			if r.Err == nil && (idp.CheckIssuer(r.Issuer) != nil || r.FetchedAt.After(now.Now().Add(time.Minute))) {
				t.Errorf("accepted %+v", r)
			}
		}
	})
}
