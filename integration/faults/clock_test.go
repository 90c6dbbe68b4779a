package faults_test

import (
	"fmt"
	"testing"
	"time"

	"opkssh/integration/issuer"
)

// TestHostClockJumps: by as much as the clock jumps, what is held is from the past or from the future.
func TestHostClockJumps(t *testing.T) {
	const hour = time.Hour
	for _, test := range []struct {
		by     time.Duration
		served bool // while the provider is down
	}{
		{-90 * time.Minute, true}, {-23 * hour, true}, {-26 * hour, false}, {-10 * 365 * 24 * hour, false},
		{time.Minute, true}, {hour, true}, {23 * hour, true}, {26 * hour, false}, {10 * 365 * 24 * hour, false},
	} {
		t.Run(fmt.Sprint(test.by), func(t *testing.T) {
			h := newHost(t)
			h.guardFiles(t)
			h.warm(t)
			h.moveCache(t, test.by)
			h.op.refuse()
			if test.served {
				h.wantIn(t)
			} else {
				h.wantReason(t, h.alice, "keys-unavailable")
			}
			h.wantOthersOut(t)
			h.moveCache(t, 0)
			h.op.mend(t)
			h.wantIn(t)
			h.wantOthersOut(t)
			// From then on the times are right again.
			h.op.refuse()
			h.wantIn(t)
		})
	}
}

// TestAttemptFromTheFuture does not keep the host from asking.
func TestAttemptFromTheFuture(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	h.warm(t)
	h.moveCache(t, 10*365*24*time.Hour)
	h.wantIn(t)
	h.wantOthersOut(t)
}

// TestProviderClock: the times in tokens count, and the provider's Date does not.
func TestProviderClock(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	h.op.mu.Lock()
	h.op.clock = 10 * 365 * 24 * time.Hour
	h.op.mu.Unlock()
	h.wantIn(t)
	h.wantOthersOut(t)
	for _, test := range []struct {
		ahead  time.Duration
		reason string
	}{
		{10 * time.Second, ""}, {time.Hour, "not-yet-valid"}, {100 * 365 * 24 * time.Hour, "not-yet-valid"},
		{-23 * time.Hour, ""}, {-25 * time.Hour, "expired"}, {-40 * 365 * 24 * time.Hour, "expired"},
	} {
		at := time.Now().Add(test.ahead)
		c := claims("alice@example.com")
		c["iat"], c["exp"] = at.Unix(), at.Add(time.Hour).Unix()
		id := (&issuer.Issuer{Issuer: h.op.signer()}).Login(t, c)
		if a := h.verify(t, id); a.in(t, id) != (test.reason == "") || a.reason != test.reason {
			t.Errorf("%v: expected the reason %q, got %q and %q\n%s", test.ahead, test.reason, a.reason, a.stdout, a.stderr)
		}
	}
}
