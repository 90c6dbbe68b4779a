package login

import (
	"fmt"
	"time"
)

// Lifetime is how long a certificate lasts from the login on. Its zero value is [DefaultLifetime].
type Lifetime time.Duration

const (
	// DefaultLifetime is what hosts grant most providers: 24 hours.
	DefaultLifetime = Lifetime(24 * time.Hour)
	// Forever is no end: hosts alone say how long they accept the key.
	Forever Lifetime = -1
)

// ParseLifetime reads a duration such as 12h or 90m, of a second or more; 0 and never are [Forever].
func ParseLifetime(s string) (Lifetime, error) {
	if s == "0" || s == "never" {
		return Forever, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("expected a duration of at least 1s, such as 12h, or never, got %q", printable(s, 100))
	}
	return Lifetime(d), nil
}

// End is when a certificate that was made now ends; zero for [Forever].
func (l Lifetime) End(now time.Time) time.Time {
	switch l {
	case Forever:
		return time.Time{}
	case 0:
		l = DefaultLifetime
	}
	return now.Add(time.Duration(l))
}

// String, Set and Type make it a flag.
func (l *Lifetime) String() string {
	switch *l {
	case Forever:
		return "never"
	case 0:
		return ""
	}
	return time.Duration(*l).String()
}

// Set is [ParseLifetime].
func (l *Lifetime) Set(s string) (err error) {
	*l, err = ParseLifetime(s)
	return err
}

// Type names the kind of value in a flag's help.
func (l *Lifetime) Type() string { return "lifetime" }
