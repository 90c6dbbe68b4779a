package usercli

import (
	"fmt"
	"time"
)

// expiryText is an end in local time, with the distance from now.
func expiryText(at, now time.Time) string {
	if !at.After(now) {
		return fmt.Sprintf("%s (expired %s ago)", localTime(at), distance(now.Sub(at)))
	}
	return fmt.Sprintf("%s (expires in %s)", localTime(at), distance(at.Sub(now)))
}

// startText is a beginning in local time, with the distance from now.
func startText(at, now time.Time) string {
	if at.After(now) {
		return fmt.Sprintf("%s (in %s)", localTime(at), distance(at.Sub(now)))
	}
	return fmt.Sprintf("%s (%s ago)", localTime(at), distance(now.Sub(at)))
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// distance leaves out what does not matter at its size, and never rounds up: what expires in 59 s does not expire in 1m.
func distance(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
