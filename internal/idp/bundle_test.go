package idp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	if left := names(t, offline.Dir); len(left) != 0 {
		t.Fatalf("expected nothing, got %q", left)
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

	// New keys take the place of old ones, and of those that a clock which was wrong has left.
	newer := exported(t, offline)
	if r := imported(t, online, newer); r.Err != nil || !r.Changed || !r.FetchedAt.Equal(now.Now()) {
		t.Errorf("newer than what is held: got %+v", r)
	}
	wantKey(t, online, op.issuer, "two", true)
	for ahead, changed := range map[time.Duration]bool{time.Minute: false, time.Minute + time.Second: true} {
		wrong := &clock{now: now.Now().Add(ahead)}
		future := op.newCache(t.TempDir(), wrong)
		if err := future.Refresh(ctx, op.issuer); err != nil {
			t.Fatal(err)
		}
		future.Now = now.Now
		if r := imported(t, future, newer); r.Err != nil || r.Changed != changed {
			t.Errorf("held from %v ahead: got %+v", ahead, r)
		}
	}

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

// TestImportPassesOverNobodysKeys: entries without an issuer keep no other out.
func TestImportPassesOverNobodysKeys(t *testing.T) {
	op, now, bundle := newBundle(t)
	var object map[string]any
	if err := json.Unmarshal(bundle, &object); err != nil {
		t.Fatal(err)
	}
	object["providers"] = append([]any{map[string]any{}, map[string]any{"issuer": 7}, map[string]any{"issuer": ""}}, object["providers"].([]any)...)
	bundle, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	offline := op.newCache(t.TempDir(), now)
	// Nobody is asked whether "" is one of the host's.
	accept := func(issuer string) error {
		if issuer != op.issuer {
			t.Errorf("asked about %q", issuer)
		}
		return nil
	}
	all, err := offline.Import(context.Background(), bundle, accept, false)
	if err != nil || len(all) != 4 {
		t.Fatalf("expected four entries, got %+v, %v", all, err)
	}
	for _, r := range all[:3] {
		if r.Err == nil || r.Changed || r.Issuer != "" {
			t.Errorf("expected an error, got %+v", r)
		}
	}
	if r := all[3]; r.Err != nil || !r.Changed || r.Issuer != op.issuer {
		t.Errorf("expected the keys to be taken, got %+v", r)
	}
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

// newBundle has the keys of one provider, of just now.
func newBundle(t *testing.T) (op *openIDProvider, now *clock, bundle []byte) {
	t.Helper()
	op, now = newProvider(t), newClock()
	online := op.newCache(t.TempDir(), now)
	if err := online.Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	return op, now, exported(t, online)
}

func TestImportRefuses(t *testing.T) {
	op, now, bundle := newBundle(t)
	set := func(name string, value any) func(map[string]any) { return func(e map[string]any) { e[name] = value } }
	for name, change := range map[string]func(map[string]any){
		"another issuer": set("issuer", "https://op.example.com"),
		"no URL":         set("issuer", "op"),
		"plain http":     set("issuer", "http://op.example.com"),
		"plain http in both": func(e map[string]any) {
			e["issuer"], e["discovery"] = "http://op.example.com", `{"issuer":"http://op.example.com","jwks_uri":"https://op.example.com/keys"}`
		},
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
	offline := op.newCache(t.TempDir(), now)
	all, err := offline.Import(context.Background(), bundle, func(string) error { return no }, false)
	if err != nil || len(all) != 1 || !errors.Is(all[0].Err, no) || len(names(t, offline.Dir)) != 0 {
		t.Errorf("not accepted: got %+v, %v and the files %q", all, err, names(t, offline.Dir))
	}

	twice := bytes.Replace(bundle, []byte(`"providers":[`), slices.Concat([]byte(`"providers":[`), entryOf(t, bundle), []byte(",")), 1)
	large := bytes.Repeat([]byte("x"), 64<<20+1)
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"empty":               {nil, "JSON"},
		"an array":            {[]byte("[]"), "JSON"},
		"as large as allowed": {large[1:], "JSON"},
		"larger":              {large, "at most 67108864 bytes"},
		"another format":      {bytes.Replace(bundle, []byte("opkssh-provider-keys"), []byte("x"), 1), "the format"},
		"another version":     {bytes.Replace(bundle, []byte("\"version\":1}\n"), []byte("\"version\":2}"), 1), "the version"},
		"no list":             {[]byte(`{"format":"opkssh-provider-keys","version":1,"providers":{}}`), "a list"},
		"a list of strings":   {[]byte(`{"format":"opkssh-provider-keys","version":1,"providers":["x"]}`), "entry 1"},
		"twice the same":      {twice, "entry 2"},
	} {
		offline := op.newCache(t.TempDir(), now)
		_, err := offline.Import(context.Background(), test.data, anyIssuer, false)
		if err == nil || !strings.Contains(err.Error(), test.says) || len(names(t, offline.Dir)) != 0 {
			t.Errorf("%s: expected an error with %q and no file, got %v and %q", name, test.says, err, names(t, offline.Dir))
		}
	}
}

// TestImportIntoFolders: what cannot be kept is not said to be, and a trial needs no folder.
func TestImportIntoFolders(t *testing.T) {
	op, now, bundle := newBundle(t)
	ctx := context.Background()
	missing := op.newCache(filepath.Join(t.TempDir(), "missing"), now)
	all, err := missing.Import(ctx, bundle, anyIssuer, true)
	if err != nil || len(all) != 1 || all[0].Err != nil || !all[0].Changed {
		t.Errorf("tried without a folder: got %+v, %v", all, err)
	}
	if _, err := os.Stat(missing.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected %v, got %v", fs.ErrNotExist, err)
	}
	file := op.newCache(filepath.Join(t.TempDir(), "file"), now)
	if err := os.WriteFile(file.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range []bool{false, true} {
		_, err = file.Import(ctx, bundle, anyIssuer, dryRun)
		wantReason(t, err, idp.ReasonFolder)
	}
}

// TestImportOfLargeEntry: one that makes a larger file than is read is not taken, and what is held stays.
func TestImportOfLargeEntry(t *testing.T) {
	op, now, bundle := newBundle(t)
	for length, want := range map[int]idp.Reason{4 << 20: "", 4<<20 + 1: idp.ReasonFolder} {
		c := op.newCache(t.TempDir(), now)
		if r := imported(t, c, bundle); r.Err != nil {
			t.Fatal(r.Err)
		}
		held, err := c.Entry(op.issuer)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(held.Path)
		if err != nil {
			t.Fatal(err)
		}
		r := imported(t, c, edited(t, bundle, func(e map[string]any) {
			e["fetched_at"] = stamp(now, time.Second)
			e["discovery"] = e["discovery"].(string) + strings.Repeat(" ", length-len(whole))
		}))
		wantReasonOrNone(t, r.Err, want)
		now.move(time.Second)
		wantKey(t, c, op.issuer, "one", true)
		now.move(-time.Second)
		if e, err := c.Entry(op.issuer); err != nil || r.Changed != (want == "") || e.FetchedAt.After(held.FetchedAt) != r.Changed {
			t.Errorf("%d bytes: got %+v, and held %+v, %v", length, r, e, err)
		}
	}
}

// TestImportWhileAnotherProcessAsks: it waits for the lock, and a trial needs none.
func TestImportWhileAnotherProcessAsks(t *testing.T) {
	op, now, bundle := newBundle(t)
	ctx := context.Background()
	asked, release := op.hold(discoveryPath)
	done := make(chan error)
	busy := op.newCache(t.TempDir(), now)
	go func() { done <- busy.Refresh(ctx, op.issuer) }()
	<-asked
	impatient := op.newCache(busy.Dir, now)
	impatient.Timeout = time.Millisecond
	r := imported(t, impatient, bundle)
	wantReason(t, r.Err, idp.ReasonBusy)
	all, err := impatient.Import(ctx, bundle, anyIssuer, true)
	if err != nil || len(all) != 1 || all[0].Err != nil || !all[0].Changed || r.Changed {
		t.Errorf("tried meanwhile: got %+v, %v, and imported %+v", all, err, r)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBundleOfSeveral: each issuer stands for itself.
func TestBundleOfSeveral(t *testing.T) {
	now, ctx := newClock(), context.Background()
	issuers := []string{"https://d.example.com", "https://b.example.com", "https://e.example.com", "https://a.example.com", "https://c.example.com"}
	var entries []map[string]any
	for _, issuer := range issuers {
		entries = append(entries, map[string]any{
			"version": 1, "issuer": issuer, "fetched_at": stamp(now, 0), "fresh_until": stamp(now, time.Hour),
			"discovery": `{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys"}`, "jwks": string(jwks(t, "one")),
		})
	}
	entries[0]["fresh_until"], entries[2]["fresh_until"] = stamp(now, 0), stamp(now, 24*time.Hour)
	entries[1]["jwks"] = "{}"
	bundle, err := json.Marshal(map[string]any{"format": "opkssh-provider-keys", "version": 1, "providers": entries})
	if err != nil {
		t.Fatal(err)
	}
	c := &idp.Cache{Dir: t.TempDir(), Now: now.Now}
	all, err := c.Import(ctx, bundle, anyIssuer, false)
	if err != nil || len(all) != len(issuers) {
		t.Fatalf("expected %d issuers, got %+v, %v", len(issuers), all, err)
	}
	for i, r := range all {
		if r.Issuer != issuers[i] || (r.Err == nil) != (i != 1) || r.Changed != (i != 1) {
			t.Errorf("%s: got %+v", issuers[i], r)
		}
	}
	held, err := c.Entries()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range held {
		found = append(found, e.Issuer)
	}
	if want := []string{issuers[3], issuers[4], issuers[0], issuers[2]}; !slices.Equal(found, want) {
		t.Errorf("expected %q, got %q", want, found)
	}
	_, found, err = c.Export(func(issuer string) bool { return issuer == issuers[0] })
	if err != nil || !slices.Equal(found, issuers[:1]) {
		t.Errorf("expected %q alone, got %q, %v", issuers[0], found, err)
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
