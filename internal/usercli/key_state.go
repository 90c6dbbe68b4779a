package usercli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"opkssh/internal/userkeys"
)

// keyState is what a key is good for.
type keyState string

const (
	keyGood     keyState = "good"
	keyExpiring keyState = "expiring" // it is about to expire
	keyExpired  keyState = "expired"
	keyBroken   keyState = "broken" // its files do not go together, or no agent has its private key
	keyNone     keyState = "none"   // there is no key, or all have expired
)

// exitCodes of status.
var exitCodes = map[keyState]int{keyGood: 0, keyExpiring: 1, keyNone: 2, keyBroken: 3}

// stateOf judges one key, and says what is broken.
func stateOf(id userkeys.Identity, soon *endMargin, now time.Time) (state keyState, problem string) {
	switch {
	case id.Expired(now):
		return keyExpired, ""
	case id.Problem != "":
		return keyBroken, id.Problem
	case !id.HasKeyFile && !id.InAgent:
		return keyBroken, "the private key is in no ssh-agent that can be reached"
	case soon.reached(id.TokenIssued, id.ValidBefore, now):
		return keyExpiring, ""
	}
	return keyGood, ""
}

// worst is the state of all: what has expired does not count beside what has not.
func worst(states []keyState) keyState {
	all := keyNone
	for _, s := range states {
		switch {
		case s == keyBroken:
			return keyBroken
		case s == keyExpiring, s == keyGood && all == keyNone:
			all = s
		}
	}
	return all
}

// endMargin is when a key counts as about to expire: when less than a duration is left, or when a share of its life is over.
type endMargin struct {
	left    time.Duration
	percent int // used if left is 0
}

// reached is false for a key without an end.
func (m *endMargin) reached(start, end, now time.Time) bool {
	switch {
	case end.IsZero():
		return false
	case m.left > 0:
		return end.Sub(now) <= m.left
	}
	life := end.Sub(start)
	return now.Sub(start) >= life/100*time.Duration(m.percent)
}

// String, Set and Type make it a flag.
func (m *endMargin) String() string {
	if m.left > 0 {
		return m.left.String()
	}
	return strconv.Itoa(m.percent) + "%"
}

// Set reads a duration or a percentage.
func (m *endMargin) Set(s string) error {
	if number, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil || n > 100 {
			return fmt.Errorf("expected 0%% to 100%%, got %q", s)
		}
		*m = endMargin{percent: int(n)}
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("expected a duration such as 1h, or a percentage such as 75%%, got %q", s)
	}
	*m = endMargin{left: d}
	return nil
}

// Type names the kind of value in a flag's help.
func (m *endMargin) Type() string { return "margin" }
