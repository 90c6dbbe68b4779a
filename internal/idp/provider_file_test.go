package idp_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"opkssh/integration/allocation"
	"opkssh/internal/idp"
)

func FuzzProviderFile(f *testing.F) {
	const good = `{"version":1,"issuer":"https://op.example.com","fetched_at":"2026-03-01T12:00:00Z","fresh_until":"2026-03-01T13:00:00Z",` +
		`"discovery":"{}","jwks":"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AA\"}]}"}`
	if err := idp.ParseProviderFile([]byte(good), "https://op.example.com"); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good[:100], "", "{}", "null", "[]", "{\"version\":1}", good + good,
		`{"version":1.0,"issuer":null}`, "\xef\xbb\xbf" + good} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var err error
		allocation.Check(t, len(data), func() { err = idp.ParseProviderFile(data, "https://op.example.com") })
		if err != nil {
			return
		}
		once, err := idp.EncodeProviderFile(data, "https://op.example.com")
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := idp.EncodeProviderFile(once, "https://op.example.com"); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q, and that %q, %v", data, once, twice, err)
		}
		if idp.ParseProviderFile(data, "https://other.example.com") == nil {
			t.Error("one file for two issuers")
		}
	})
}

func TestFreshFor(t *testing.T) {
	const ttl = 7 * time.Minute
	for _, test := range []struct {
		cacheControl []string
		age          string
		want         time.Duration
	}{
		{nil, "", ttl},
		{[]string{"no-cache"}, "", ttl},
		{[]string{"public, max-age=3600, must-revalidate"}, "", time.Hour},
		{[]string{"MAX-AGE=3600"}, "", time.Hour},
		{[]string{`max-age="3600"`}, "", time.Hour},
		{[]string{"max-age=3600"}, "600", 50 * time.Minute},
		{[]string{"max-age=3600"}, "999999999999999999999", 5 * time.Minute},
		{[]string{"max-age=3600"}, "-600", time.Hour},
		{[]string{"max-age=0, no-store"}, "", 5 * time.Minute},
		{[]string{"max-age=299"}, "", 5 * time.Minute},
		{[]string{"max-age=86401"}, "", 24 * time.Hour},
		{[]string{"max-age=9999999999"}, "", 24 * time.Hour},
		{[]string{"max-age=99999999999999999999999999"}, "", 24 * time.Hour},
		{[]string{"max-age=7200", "max-age=3600"}, "", time.Hour},
		{[]string{"max-age=7200, max-age=3600"}, "", time.Hour},
		{[]string{"max-age=3600, max-age=7200"}, "", time.Hour},
		{[]string{"max-age=-1"}, "", ttl},
		{[]string{"max-age=1e9"}, "", ttl},
		{[]string{"max-age="}, "", ttl},
		{[]string{"max-age"}, "", ttl},
		{[]string{"s-maxage=3600, xmax-age=3600"}, "", ttl},
	} {
		header := http.Header{"Cache-Control": test.cacheControl}
		if test.age != "" {
			header.Set("Age", test.age)
		}
		if got := idp.FreshFor(header, ttl); got != test.want {
			t.Errorf("%q, age %q: expected %v, got %v", test.cacheControl, test.age, test.want, got)
		}
	}
	if got := idp.FreshFor(nil, 48*time.Hour); got != 24*time.Hour {
		t.Errorf("a ttl of 48h: expected 24h, got %v", got)
	}
}

func TestUnusableSetIsReturnedWithoutFolder(t *testing.T) {
	op := newProvider(t)
	set, err := op.newCache("", newClock()).Keys(context.Background(), op.issuer, hasKey("none"))
	if err != nil || set == nil {
		t.Errorf("got %v, %v", set, err)
	}
}
