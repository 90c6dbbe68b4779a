package faults_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/tracer"
)

// verifyAt is verify with a clock of the host's that is ahead.
func (h *host) verifyAt(t *testing.T, id *issuer.Identity, ahead func() time.Duration) *answer {
	t.Helper()
	cmd := h.command(t, h.arguments("alice", id.Certificate)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	outputs := tracer.Files(t, cmd)
	status := tracer.RunAt(t, cmd, endtoend.Verifier(t), ahead)
	stdout, stderr := outputs()
	return newAnswer(stdout, stderr, status.ExitStatus())
}

// loginAt is alice at another time.
func (h *host) loginAt(t *testing.T, at time.Time) *issuer.Identity {
	t.Helper()
	c := claims("alice@example.com")
	c["iat"], c["exp"] = at.Unix(), at.Add(time.Hour).Unix()
	return (&issuer.Issuer{Issuer: h.op.signer()}).Login(t, c)
}

// TestHostClockJumps: while the host's clock is wrong, tokens count by it, whoever logged in at that time gets in, by held keys, too, if the
// clock is not further off than they may serve; and when it is right again, all is as it was.
func TestHostClockJumps(t *testing.T) {
	const hour = time.Hour
	for _, test := range []struct {
		by     time.Duration
		reason string // for who logged in before the jump
		served bool   // by held keys, while the provider is down
	}{
		{-10 * 365 * 24 * hour, "not-yet-valid", false}, {-26 * hour, "not-yet-valid", false}, {-23 * hour, "not-yet-valid", true},
		{-2 * time.Minute, "not-yet-valid", true}, {-30 * time.Second, "", true}, {30 * time.Second, "", true}, {hour, "", true}, {23 * hour, "", true},
		{26 * hour, "expired", false}, {10 * 365 * 24 * hour, "expired", false},
	} {
		t.Run(fmt.Sprint(test.by), func(t *testing.T) {
			h := newHost(t)
			h.guardFiles(t)
			h.warm(t)
			moved := func() time.Duration { return test.by }
			then := h.loginAt(t, time.Now().Add(test.by))
			h.op.refuse()
			if a := h.verifyAt(t, then, moved); a.in(t, then) != test.served || !test.served && a.reason != "keys-unavailable" {
				t.Fatalf("expected that held keys serve: %t, got %q and\n%s", test.served, a.stdout, a.stderr)
			}
			h.op.mend(t)
			if a := h.verifyAt(t, then, moved); !a.in(t, then) {
				t.Fatalf("expected that who logs in gets in, got\n%s", a.stderr)
			}
			if a := h.verifyAt(t, h.alice, moved); a.in(t, h.alice) != (test.reason == "") || a.reason != test.reason {
				t.Fatalf("expected the reason %q for who logged in before, got %q and\n%s", test.reason, a.reason, a.stderr)
			}
			for _, other := range []*issuer.Identity{h.bob, h.mallory} {
				if a := h.verifyAt(t, other, moved); a.stdout != "" {
					t.Fatalf("let in: %q\n%s", a.stdout, a.stderr)
				}
			}
			h.wantIn(t)
			h.wantOthersOut(t)
			h.wantCacheSound(t)
			// From then on the times are right again.
			h.op.refuse()
			h.wantIn(t)
		})
	}
}

// TestHostClockJumpsDuringALogin: each time that a login looks at the clock, it may have jumped. Nobody else gets in, nothing is spoiled, and
// when the clock is right again, alice does.
func TestHostClockJumpsDuringALogin(t *testing.T) {
	for _, by := range []time.Duration{-10 * 365 * 24 * time.Hour, -2 * time.Hour, 2 * time.Hour, 10 * 365 * 24 * time.Hour} {
		for _, state := range []string{"cold", "fresh", "old"} {
			t.Run(fmt.Sprint(by, " ", state), func(t *testing.T) {
				t.Parallel()
				h := newHost(t)
				h.guardFiles(t)
				for n := 1; ; n++ {
					check(t, os.RemoveAll(h.cache))
					if state != "cold" {
						h.warm(t)
					}
					if state == "old" {
						h.moveCache(t, -3*time.Hour)
					}
					looks := 0
					from := func() time.Duration {
						if looks++; looks < n {
							return 0
						}
						return by
					}
					a := h.verifyAt(t, h.alice, from)
					if !a.in(t, h.alice) && !slices.Contains([]string{"not-yet-valid", "expired", "keys-unavailable"}, a.reason) || a.code != 0 {
						t.Fatalf("look %d: exit code %d, reason %q\n%s", n, a.code, a.reason, a.stderr)
					}
					last := looks < n
					looks = 0
					if a := h.verifyAt(t, h.mallory, from); a.stdout != "" {
						t.Fatalf("look %d: let in: %q\n%s", n, a.stdout, a.stderr)
					}
					h.wantIn(t)
					h.wantCacheSound(t)
					h.op.refuse()
					h.wantIn(t)
					h.op.mend(t)
					if last {
						if n < 3 {
							t.Errorf("expected a login that looks at the clock, got %d looks", n-1)
						}
						break
					}
				}
			})
		}
	}
}

// TestHeldKeysOfAnotherTime: what is held is from the past or from the future.
func TestHeldKeysOfAnotherTime(t *testing.T) {
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
