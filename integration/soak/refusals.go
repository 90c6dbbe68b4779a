package soak

import (
	"slices"
	"testing"
)

// The names of attempts that must be refused are the reasons for which they are.
const (
	Denied     = "no-rule"
	Expired    = "expired"
	UnknownKey = "no-provider-key"
	Forged     = "provider-signature"
)

// CheckRefusals holds decisions, by reason, against what was tried. Each attempt was refused once, for its reason; tooEarly more were
// refused before the provider's new key was known. While it is not, nobody finds out what else is wrong, nor with tokens that were
// made just before. The reason "" is a login.
func CheckRefusals(t testing.TB, decisions map[string]int, r *Result, tooEarly int) {
	t.Helper()
	reasons := []string{Denied, Expired, UnknownKey, Forged}
	more := 0
	for _, reason := range reasons {
		got, want := decisions[reason], r.Attempts[reason]
		if reason == UnknownKey && got < want || reason != UnknownKey && (got < want-tooEarly-clients || got > want) {
			t.Errorf("expected %d to be refused as %s, got %d", want, reason, got)
		}
		more += got - want
	}
	if more != tooEarly {
		t.Errorf("expected %d to be refused before the new key was known, got %d", tooEarly, more)
	}
	for reason, n := range decisions {
		if reason != "" && !slices.Contains(reasons, reason) {
			t.Errorf("expected nobody to be refused as %s, got %d", reason, n)
		}
	}
}
