package usercli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"opkssh/internal/filelock"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
)

// signalled tells of each write.
type signalled chan struct{}

func (s signalled) Write(data []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(data), nil
}

// Somebody who gives up on one login is not shown nine more.
func TestWhoWaitedForALoginInVainDoesNotStartAnother(t *testing.T) {
	var requests atomic.Int32
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.NotFound(w, r)
	}))
	t.Cleanup(provider.Close)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	t.Setenv("BROWSER", "true")
	config := filepath.Join(home, "config.yml")
	text := "providers:\n  - alias: work\n    issuer: " + provider.URL + "\n    client_id: opkssh\n    hosts: [host]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(home, ".ssh", userkeys.Folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	finish, _, err := filelock.Lock(t.Context(), filepath.Join(folder, "work.lock"), nil)
	if err != nil {
		t.Fatal(err)
	}
	run := func(words io.Writer) error {
		return ensure(t.Context(), &terminal{in: os.Stdin, out: io.Discard, err: words}, config, "host")
	}
	waits, ended := make(signalled, 1), make(chan error, 1)
	go func() { ended <- run(waits) }()
	<-waits
	finish()
	if err := <-ended; err == nil || requests.Load() != 0 {
		t.Errorf("expected an error and no request, got %v, %d requests", err, requests.Load())
	}
	// The next one tries.
	if err := run(io.Discard); err == nil || requests.Load() == 0 {
		t.Errorf("expected a login to be tried, got %v, %d requests", err, requests.Load())
	}
}

func TestTheEndOfARenewedCertificate(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	token := issuer.Token(t, pktokentest.UserKey(t), nil)
	refreshed, err := token.WithRefreshed(issuer.IDToken(t, map[string]any{"exp": now.Add(2 * time.Hour).Unix()}))
	if err != nil {
		t.Fatal(err)
	}
	long, err := token.WithRefreshed(issuer.IDToken(t, map[string]any{"exp": now.Add(30 * 24 * time.Hour).Unix()}))
	if err != nil {
		t.Fatal(err)
	}
	in := func(d time.Duration) time.Time { return now.Add(d) }
	hours := func(n time.Duration) login.Lifetime { return login.Lifetime(n * time.Hour) }
	for name, c := range map[string]struct {
		refresh   bool
		expiresIn login.Lifetime
		before    time.Time
		want      time.Time
	}{
		"hosts go by the newest ID token": {true, 0, in(time.Hour), in(2 * time.Hour)},
		"and not by another end":          {true, 0, in(24 * time.Hour), in(2 * time.Hour)},
		"unknown: a later end stays":      {false, 0, in(24 * time.Hour), in(24 * time.Hour)},
		"unknown: no end stays none":      {false, 0, time.Time{}, time.Time{}},
		"an earlier one, as asked":        {true, hours(1), in(time.Hour), in(time.Hour)},
		"a later one is too late":         {true, hours(8), in(8 * time.Hour), in(2 * time.Hour)},
		"none is too late":                {true, login.Forever, time.Time{}, in(2 * time.Hour)},
		"unknown: one as asked":           {false, hours(1), in(time.Minute), in(time.Hour)},
		"unknown: no earlier than before": {false, hours(1), in(24 * time.Hour), in(24 * time.Hour)},
		"unknown: an earlier one moves":   {false, 0, in(time.Hour), in(2 * time.Hour)},
	} {
		provider := login.Provider{Refresh: c.refresh, ExpiresIn: c.expiresIn}
		got := renewedEnd(provider, userkeys.Identity{ValidBefore: c.before}, refreshed, now)
		if !got.Equal(c.want) {
			t.Errorf("%s: expected %s, got %s", name, c.want, got)
		}
	}
	for name, c := range map[string]struct {
		refresh   bool
		expiresIn login.Lifetime
		want      time.Time
	}{
		"hosts go by an ID token of a month": {true, 0, in(30 * 24 * time.Hour)},
		"unknown: a day, as by default":      {false, 0, in(24 * time.Hour)},
		"unknown: a week, as asked":          {false, hours(7 * 24), in(7 * 24 * time.Hour)},
	} {
		provider := login.Provider{Refresh: c.refresh, ExpiresIn: c.expiresIn}
		if got := renewedEnd(provider, userkeys.Identity{ValidBefore: in(time.Hour)}, long, now); !got.Equal(c.want) {
			t.Errorf("%s: expected %s, got %s", name, c.want, got)
		}
	}
}

func TestWhatLastsAWhile(t *testing.T) {
	issued := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life, age time.Duration
		want      bool
	}{
		{24 * time.Hour, 0, true},
		{24 * time.Hour, 24*time.Hour - 5*time.Minute - time.Second, true},
		{24 * time.Hour, 24*time.Hour - 5*time.Minute, false},
		{24 * time.Hour, 25 * time.Hour, false},
		{10 * time.Minute, 9*time.Minute - time.Second, true},
		{10 * time.Minute, 9 * time.Minute, false},
	} {
		if got := lastsAWhile(issued, issued.Add(c.life), issued.Add(c.age)); got != c.want {
			t.Errorf("a life of %s, %s old: expected %t", c.life, c.age, c.want)
		}
	}
	if !lastsAWhile(issued, time.Time{}, issued.Add(1000*time.Hour)) {
		t.Error("without an end: expected true")
	}
}
