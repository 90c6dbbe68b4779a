package usercli

import (
	"errors"
	"testing"
	"time"

	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
)

func TestARenewalIsDueAfterTwoThirdsOfTheLife(t *testing.T) {
	issued := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for life, want := range map[time.Duration][2]time.Duration{ // earliest and latest
		time.Hour:      {34 * time.Minute, 40 * time.Minute},
		24 * time.Hour: {13*time.Hour + 36*time.Minute, 16 * time.Hour},
		0:              {0, 0},
	} {
		earliest, latest := dueAt(issued, issued.Add(life), 1).Sub(issued), dueAt(issued, issued.Add(life), 0).Sub(issued)
		if earliest != want[0] || latest != want[1] {
			t.Errorf("life %s: expected %s to %s, got %s to %s", life, want[0], want[1], earliest, latest)
		}
	}
}

// The clock is looked at again soon, since a timer sleeps with the computer, and never at once.
func TestPauses(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]time.Duration{
		24 * time.Hour:            30 * time.Second,
		31 * time.Second:          30 * time.Second,
		10 * time.Second:          10 * time.Second,
		time.Millisecond:          time.Second,
		0:                         time.Second,
		-5 * 365 * 24 * time.Hour: time.Second,
	} {
		if got := pauseUntil(now.Add(left), now); got != want {
			t.Errorf("%s: expected %s, got %s", left, want, got)
		}
	}
}

func TestBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 7: 320 * time.Second, 8: 10 * time.Minute, 1000: 10 * time.Minute,
	} {
		if got := backOff(failures, 0); got != want {
			t.Errorf("%d failures: expected %s, got %s", failures, want, got)
		}
		if got := backOff(failures, 1); got != want-want/4 {
			t.Errorf("%d failures: expected %s at least, got %s", failures, want-want/4, got)
		}
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	rejected := func(reason pktoken.Reason) error {
		return &login.Error{Code: login.CodeIDToken, Err: &pktoken.RejectError{Reason: reason}}
	}
	for _, c := range []struct {
		err   error
		final bool
	}{
		{&login.Error{Code: login.CodeDiscovery}, false},
		{&login.Error{Code: login.CodeTokenEndpoint}, false},
		{loginError(&login.Error{Code: login.CodeTimeout, Hint: "wait"}), false},
		{rejected(pktoken.ReasonKeysUnavailable), false},
		{rejected(pktoken.ReasonRefreshed), true},
		{loginError(&login.Error{Code: login.CodeRefreshRefused, Hint: "log in"}), true},
		{&login.Error{Code: login.CodeNoIDToken}, true},
		{&login.Error{Code: login.CodeNoRefreshToken}, true},
		{errors.New("disk full"), true},
	} {
		if isFinal(c.err) != c.final {
			t.Errorf("%v: expected final %t", c.err, c.final)
		}
	}
}
