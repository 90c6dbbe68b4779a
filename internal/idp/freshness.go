package idp

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	minFresh = 5 * time.Minute
	maxFresh = 24 * time.Hour
)

// freshFor is how long an answer may be used without asking again: its max-age less its Age (RFC 9111 §4.2), within
// 5 min..24 h, or ttl where it has none that can be read. The smallest of several counts.
func freshFor(header http.Header, ttl time.Duration) time.Duration {
	age, found := time.Duration(0), false
	for _, line := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if !strings.EqualFold(name, "max-age") {
				continue
			}
			if d, ok := seconds(strings.Trim(value, `"`)); ok && (!found || d < age) {
				age, found = d, true
			}
		}
	}
	if !found {
		return min(ttl, maxFresh)
	}
	if spent, ok := seconds(header.Get("Age")); ok {
		age -= spent
	}
	return min(max(age, minFresh), maxFresh)
}

// seconds reads a delta-seconds (RFC 9111 §1.2.2). A large one stays large and cannot overflow.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	const most = int64(366 * 24 * time.Hour / time.Second)
	if err != nil || n > most {
		n = most
	}
	return time.Duration(n) * time.Second, true
}
