package idp

import (
	"strings"
	"time"
)

// The time of the last request is kept in a file of its own, across processes: before a request is made, so that a process
// that dies counts as one. A request that succeeded left an answer that is not older.

func (f *folder) recordAttempt(name string, now time.Time) error {
	return f.write(name+".attempt", []byte(now.UTC().Format(time.RFC3339Nano)+"\n"))
}

// lastAttempt is zero where there was none, or where the file cannot be read.
func (f *folder) lastAttempt(name string) time.Time {
	data, err := f.read(name + ".attempt")
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(string(data), "\n"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// recent is false for a time in the future, or a clock that was wrong once would forbid requests for ever.
func recent(at, now time.Time, within time.Duration) bool {
	return !at.After(now) && now.Sub(at) < within
}
