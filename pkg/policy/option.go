package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option is one authorized_keys option (sshd(8)) from the list that rules may use. Name is spelled as in sshd(8), and Value
// has no control character and does not end in a backslash, so that it can be quoted.
type Option struct {
	Name, Value string
	HasValue    bool
}

// String gives the option as sshd reads it: the name, or name="value" with \" for a quote.
func (o Option) String() string {
	if !o.HasValue {
		return o.Name
	}
	return o.Name + `="` + strings.ReplaceAll(o.Value, `"`, `\"`) + `"`
}

// FormatOptions joins options with commas.
func FormatOptions(options []Option) string {
	texts := make([]string, len(options))
	for i, o := range options {
		texts[i] = o.String()
	}
	return strings.Join(texts, ",")
}

// expiryTime is the option that Decide enforces itself.
const expiryTime = "expiry-time"

// valueOptions may have a value, which is checked.
var valueOptions = []struct {
	name  string
	check func(string) error // nil if every text will do
	many  bool               // may stand several times
}{
	{name: "from", check: checkFrom},
	{name: "command"},
	{name: expiryTime, check: func(s string) error { _, err := parseExpiryTime(s, time.UTC); return err }},
	{name: "permitopen", check: checkPermitOpen, many: true},
	{name: "permitlisten", check: checkPermitListen, many: true},
}

// permissions can be written NAME, permit-NAME or no-NAME. sshd knows the first and the last.
var permissions = []string{"agent-forwarding", "port-forwarding", "pty", "user-rc", "X11-forwarding"}

// Everything else that sshd(8) lists is refused: cert-authority and principals are ours to set, environment and tunnel change
// the host, and no-touch-required and verify-required are about keys that do not occur.
func knownOptions() []string {
	names := []string{"restrict"}
	for _, o := range valueOptions {
		names = append(names, o.name)
	}
	for _, p := range permissions {
		names = append(names, p, "no-"+p, "permit-"+p)
	}
	return names
}

// options reads authorized_keys options up to the first blank outside double quotes. Names are case-insensitive.
func (r *row) options() ([]Option, *fault) {
	var options []Option
	seen := map[string]bool{}
	for {
		column := r.pos + 1
		name := r.optionName()
		o := Option{}
		var f *fault
		if r.pos < len(r.line) && r.line[r.pos] == '=' {
			r.pos++
			o.HasValue = true
			if o.Value, f = r.optionValue(); f != nil {
				return nil, f
			}
		}
		subject, many, err := o.check(name)
		if err != nil {
			return nil, faultAt(column, "%s", err)
		}
		if seen[subject] && !many {
			return nil, faultAt(column, "option %s stands twice", subject)
		}
		seen[subject] = true
		options = append(options, o)
		if r.pos == len(r.line) || isBlank(r.line[r.pos]) {
			return options, nil
		}
		if r.line[r.pos] != ',' {
			return nil, faultAt(r.pos+1, "options: expected a comma, got %s", quoteShort(r.line[r.pos:r.pos+1]))
		}
		r.pos++
	}
}

func (r *row) optionName() string {
	start := r.pos
	for r.pos < len(r.line) && strings.IndexByte("=,\" \t", r.line[r.pos]) < 0 {
		r.pos++
	}
	return r.line[start:r.pos]
}

func (r *row) optionValue() (string, *fault) {
	if r.pos == len(r.line) || r.line[r.pos] != '"' {
		return "", faultAt(r.pos+1, "options: expected a value in double quotes")
	}
	opened := r.pos + 1
	var value strings.Builder
	for r.pos++; r.pos < len(r.line); r.pos++ {
		switch c := r.line[r.pos]; {
		case c == '\\' && strings.HasPrefix(r.line[r.pos+1:], `"`):
			r.pos++
			value.WriteByte('"')
		case c == '"':
			r.pos++
			return value.String(), nil
		default:
			value.WriteByte(c)
		}
	}
	return "", faultAt(opened, "options: the quote is never closed")
}

// check looks the name up, sets the option's own name, and checks the value. Subject is what may be said only once.
func (o *Option) check(name string) (subject string, many bool, err error) {
	for _, v := range valueOptions {
		if !equalFoldASCII(name, v.name) {
			continue
		}
		o.Name = v.name
		if err := checkOptionValue(o.Value); err != nil {
			return "", false, fmt.Errorf("option %s: %w", o.Name, err)
		}
		if v.check != nil {
			if err := v.check(o.Value); err != nil {
				return "", false, fmt.Errorf("option %s: %w", o.Name, err)
			}
		}
		return o.Name, v.many, nil
	}
	if equalFoldASCII(name, "restrict") {
		subject, o.Name = "restrict", "restrict"
	}
	for _, p := range permissions {
		switch {
		case equalFoldASCII(name, p), equalFoldASCII(name, "permit-"+p):
			subject, o.Name = p, p
		case equalFoldASCII(name, "no-"+p):
			subject, o.Name = p, "no-"+p
		}
	}
	switch {
	case subject == "":
		return "", false, unknownName("option", name, knownOptions())
	case o.HasValue:
		return "", false, fmt.Errorf("option %s: expected no value", o.Name)
	}
	return subject, false, nil
}

// checkOptionValue: that no value ends in a backslash, which would quote the closing quote, is seen to by optionValue.
func checkOptionValue(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("expected a value, got none")
	}
	if detail := unreadable(value); detail != "" {
		return errors.New(detail)
	}
	return nil
}

// checkFrom takes a pattern list (ssh_config(5), PATTERNS) with CIDR blocks (sshd(8)), with a positive pattern among them:
// a list of negated ones lets nobody in.
func checkFrom(list string) error {
	const most = 1023 // what sshd takes for one pattern
	positive := false
	for pattern := range strings.SplitSeq(list, ",") {
		bare, negated := strings.CutPrefix(pattern, "!")
		positive = positive || !negated
		if strings.Contains(bare, "/") {
			if prefix, err := netip.ParsePrefix(bare); err != nil || prefix.Masked() != prefix {
				return fmt.Errorf("expected an address block such as 10.0.0.0/8 without host bits, got %s", quoteShort(pattern))
			}
			continue
		}
		if bare == "" || len(bare) > most || strings.ContainsFunc(bare, func(c rune) bool { return !isHostRune(c) && c != '*' && c != '?' }) {
			return fmt.Errorf("expected a host name, address or pattern, got %s", quoteShort(pattern))
		}
	}
	if !positive {
		return errors.New("expected a pattern without ! too")
	}
	return nil
}

// isHostRune takes what host names and IPv4 and IPv6 addresses are made of.
func isHostRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(".-_:", c)
}

// checkPermitOpen takes host:port; sshd compares the host literally.
func checkPermitOpen(s string) error { return checkForward(s, false) }

// checkPermitListen takes [host:]port; the host may be a pattern.
func checkPermitListen(s string) error {
	if !strings.Contains(s, ":") {
		return checkPort(s)
	}
	return checkForward(s, true)
}

func checkForward(s string, patterns bool) error {
	const longest = 253 // of a host name in DNS; sshd passes over a line with one that no getnameinfo(3) could give
	host, port := "", ""
	if rest, bracketed := strings.CutPrefix(s, "["); bracketed {
		var closed bool
		if host, port, closed = strings.Cut(rest, "]:"); closed {
			if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() || ip.Zone() != "" {
				return fmt.Errorf("expected an IPv6 address in brackets, got %s", quoteShort(s))
			}
			return checkPort(port)
		}
	} else {
		host, port, _ = strings.Cut(s, ":")
	}
	bad := func(c rune) bool {
		wildcard := c == '*' || c == '?'
		return wildcard && !patterns || !wildcard && !isHostRune(c)
	}
	if host == "" || len(host) > longest || strings.ContainsFunc(host, bad) {
		return fmt.Errorf("expected host:port, got %s", quoteShort(s))
	}
	return checkPort(port)
}

func checkPort(port string) error {
	n, err := strconv.ParseUint(port, 10, 16)
	if port != "*" && (err != nil || n == 0) {
		return fmt.Errorf("expected a port from 1 to 65535 or *, got %s", quoteShort(port))
	}
	return nil
}

// parseExpiryTime reads YYYYMMDD or YYYYMMDDHHMM[SS], in UTC with a Z behind it, else in zone.
func parseExpiryTime(s string, zone *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	if utc {
		zone = time.UTC
	}
	layouts := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}
	t, err := time.ParseInLocation(layouts[len(digits)], digits, zone)
	if err != nil || digits == "" {
		return time.Time{}, fmt.Errorf("expected YYYYMMDD[HHMM[SS]][Z], got %s", quoteShort(s))
	}
	return t, nil
}

// expired is whether an expiry-time among the options has passed. Without a clock it has.
func expired(options []Option, now time.Time) bool {
	return slices.ContainsFunc(options, func(o Option) bool {
		if o.Name != expiryTime {
			return false
		}
		end, err := parseExpiryTime(o.Value, now.Location())
		return err != nil || now.IsZero() || !now.Before(end)
	})
}
