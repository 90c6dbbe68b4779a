package authorizedkeys

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// flags are the options without a value, in the order in which sshd tries them.
var flags = []struct {
	name      string
	negatable bool // also as no-NAME
}{
	{"restrict", false}, {"cert-authority", false}, {"port-forwarding", true}, {"agent-forwarding", true}, {"x11-forwarding", true},
	{"touch-required", true}, {"verify-required", true}, {"pty", true}, {"user-rc", true},
}

// values are the options with one.
var values = []struct {
	name  string
	check func(value string) error // nil: none
}{
	{"command", nil}, {"principals", nil}, {"from", nil}, {"expiry-time", checkTime}, {"environment", nil},
	{"permitopen", checkPermitOpen}, {"permitlisten", checkPermitListen}, {"tunnel", nil},
}

// once are the options that may not be given again.
var once = []string{"command", "principals", "from"}

// parseOptions is sshauthopt_parse.
func parseOptions(text string) ([]Option, error) {
	var options []Option
	for text != "" {
		o, rest, err := parseOption(text)
		if err != nil {
			return nil, err
		}
		again := slices.ContainsFunc(options, func(before Option) bool { return before.Name == o.Name })
		if again && slices.Contains(once, o.Name) {
			return nil, fmt.Errorf("multiple %q clauses", o.Name)
		}
		options = append(options, o)
		if rest == "" {
			return options, nil
		}
		if text = strings.TrimPrefix(rest, ","); text == rest {
			return nil, fmt.Errorf("unknown key option before %q", rest)
		}
		if text == "" {
			return nil, errors.New("unexpected end-of-options")
		}
	}
	return options, nil
}

func parseOption(text string) (o Option, rest string, err error) {
	for _, flag := range flags {
		name, start := flag.name, 0
		if flag.negatable && beginsWith(text, "no-") {
			name, start = "no-"+name, len("no-")
		}
		if beginsWith(text[start:], flag.name) {
			return Option{Name: name}, text[start+len(flag.name):], nil
		}
	}
	for _, v := range values {
		if !beginsWith(text, v.name+"=") {
			continue
		}
		o = Option{Name: v.name, HasValue: true}
		if o.Value, rest, err = unquote(text[len(v.name)+1:]); err == nil && v.check != nil {
			err = v.check(o.Value)
		}
		return o, rest, err
	}
	return o, "", fmt.Errorf("unknown key option %q", text)
}

// beginsWith is strncasecmp.
func beginsWith(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// unquote is opt_dequote: \" is the only escape.
func unquote(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New("missing start quote")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		case strings.HasPrefix(text[i:], `\"`):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", errors.New("missing end quote")
}

// checkTime is the form that parse_absolute_time takes.
func checkTime(value string) error {
	digits := strings.TrimSuffix(value, "Z")
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil || !slices.Contains([]int{8, 12, 14}, len(digits)) {
		return errors.New("invalid expires time")
	}
	return nil
}

// checkPermitListen is handle_permit for an option that may name a port alone.
func checkPermitListen(value string) error {
	if !strings.Contains(value, ":") {
		value = "*:" + value
	}
	return checkPermitOpen(value)
}

// checkPermitOpen is handle_permit: host:port, the host in brackets if it has a colon.
func checkPermitOpen(value string) error {
	const longestHost = 1024 // NI_MAXHOST without the NUL
	host, port, found := strings.Cut(value, ":")
	if rest, bracketed := strings.CutPrefix(value, "["); bracketed {
		host, port, found = strings.Cut(rest, "]:")
	}
	if host == "" || len(host) > longestHost {
		return errors.New("invalid permission hostname")
	}
	if n, err := strconv.ParseUint(port, 10, 16); !found || port != "*" && (err != nil || n == 0) {
		return errors.New("invalid permission port")
	}
	return nil
}
