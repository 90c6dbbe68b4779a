package idp_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"opkssh/internal/idp"
)

func TestProbe(t *testing.T) {
	op, now := newProvider(t), newClock()
	dir := t.TempDir()
	c := op.newCache(dir, now)
	for _, test := range []struct {
		name, date, age string
		known           bool
		skew            time.Duration
	}{
		{"no clock", "", "", false, 0},
		{"not a time", "yesterday", "", false, 0},
		{"not a time, and a cache in between", "yesterday", "60", false, 0},
		{"the same time", now.Now().Format(http.TimeFormat), "", true, 0},
		{"the rounding of both headers", now.Now().Add(2 * time.Second).Format(http.TimeFormat), "", true, 0},
		{"the rounding of both headers, backwards", now.Now().Add(-2 * time.Second).Format(http.TimeFormat), "", true, 0},
		{"ahead", now.Now().Add(time.Minute).Format(http.TimeFormat), "", true, time.Minute},
		{"behind", now.Now().Add(-time.Minute).Format(http.TimeFormat), "", true, -time.Minute},
		{"a cache in between", now.Now().Add(-time.Minute).Format(http.TimeFormat), "60", true, 0},
	} {
		op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			if test.date != "" {
				w.Header().Set("Date", test.date)
			}
			if test.age != "" {
				w.Header().Set("Age", test.age)
			}
			_, _ = w.Write(op.discovery(nil))
		})
		p, err := c.Probe(context.Background(), op.issuer)
		if err != nil {
			t.Fatal(err)
		}
		if p.Skew != test.skew || p.SkewKnown != test.known || !slices.Equal(p.KeyIDs, []string{"one"}) || !slices.Equal(p.Algorithms, []string{"ES256"}) || p.FreshFor != time.Hour ||
			!slices.Equal(p.Endpoints, []string{op.URL + jwksPath, op.URL + userinfoPath}) {
			t.Errorf("%s: got %+v", test.name, p)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("expected nothing to be kept, got %v, %v", files, err)
	}
	for _, test := range []struct {
		userinfo  any
		endpoints []string
		want      idp.Reason
	}{
		{nil, []string{op.URL + jwksPath}, ""},
		{"http://op.example.com/userinfo", nil, idp.ReasonEndpoint},
	} {
		op.set(discoveryPath, body(string(op.discovery(map[string]any{"userinfo_endpoint": test.userinfo}))))
		p, err := c.Probe(context.Background(), op.issuer)
		wantReasonOrNone(t, err, test.want)
		if err == nil && !slices.Equal(p.Endpoints, test.endpoints) {
			t.Errorf("expected the endpoints %q, got %q", test.endpoints, p.Endpoints)
		}
	}
	op.down()
	_, err := c.Probe(context.Background(), op.issuer)
	wantReason(t, err, idp.ReasonStatus)
	_, err = c.Probe(context.Background(), "http://op.example.com")
	wantReason(t, err, idp.ReasonIssuer)
}
