package usercli

import (
	"math/rand/v2"
	"time"
)

const (
	// wakeUp is the longest sleep: a timer does not count the time in which a computer is suspended.
	wakeUp = 30 * time.Second
	// leastPause keeps a token without a life, or a clock that was set, from making a busy loop.
	leastPause = time.Second
	// Between two attempts after a failure.
	firstPause, longestPause = 5 * time.Second, 10 * time.Minute
)

// dueAt is when an ID token has lived two thirds of its life. share, from 0 to 1, brings that forward by up to a tenth of the
// life, so that computers that logged in together do not refresh together.
func dueAt(issued, expires time.Time, share float64) time.Time {
	life := expires.Sub(issued)
	return issued.Add(life * 2 / 3).Add(-time.Duration(share * float64(life) / 10))
}

// pauseUntil is how long to sleep before looking at the clock again.
func pauseUntil(due, now time.Time) time.Duration {
	return min(max(due.Sub(now), leastPause), wakeUp)
}

// backOff is the pause after so many failures in a row: twice as long each time, and up to a quarter shorter by chance.
func backOff(failures int, share float64) time.Duration {
	pause := longestPause
	if failures < 8 {
		pause = min(firstPause<<max(failures-1, 0), longestPause)
	}
	return pause - time.Duration(share*float64(pause)/4)
}

// chance is a number from 0 to 1.
func chance() float64 { return rand.Float64() } //nolint:gosec // so that clients do not come together; no secret

// wallClock is the time without Go's monotonic reading, which stands still while a computer is suspended.
func wallClock() time.Time { return time.Now().Round(0) }
