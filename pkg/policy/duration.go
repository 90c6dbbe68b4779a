package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day         = 24 * time.Hour
	maxDuration = 36500 * day
)

// parseDuration reads a Go duration such as 90m, Nd for days, or 1week. It must be over zero and at most a hundred years.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	days, isDays := strings.CutSuffix(s, "d")
	switch {
	case s == "1week":
		d, err = 7*day, nil
	case isDays:
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * day
	}
	if err != nil {
		return 0, fmt.Errorf("expected a duration such as 90m, 24h, 7d or 1week, got %s", quoteShort(s))
	}
	if d <= 0 || d > maxDuration {
		return 0, fmt.Errorf("expected a duration over zero and at most 36500d, got %s", quoteShort(s))
	}
	return d, nil
}
