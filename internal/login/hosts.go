package login

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ForHost finds the provider whose hosts have the name, as ssh_config(5) matches patterns: the first one counts.
func (c *Config) ForHost(host string) (p Provider, found bool) {
	for _, p := range c.Providers {
		if matchesHost(p.Hosts, host) {
			return p, true
		}
	}
	return Provider{}, false
}

// matchesHost: one pattern has to match, and none that is negated (ssh_config(5), PATTERNS).
func matchesHost(patterns []string, host string) bool {
	found := false
	for _, pattern := range patterns {
		positive, negated := strings.CutPrefix(pattern, "!")
		if !matchesPattern(strings.ToLower(positive), strings.ToLower(host)) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// matchesPattern knows * and ?. Each byte of the name is looked at once for each star at most.
func matchesPattern(pattern, name string) bool {
	star, from := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// hostsMember takes a list, or one string with blanks between the patterns.
func hostsMember(field *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		patterns, err := readScopes(n)
		if err != nil {
			return err
		}
		return checkHosts(patterns, field)
	}
}

// checkHosts lets through what means the same here and on a line of ssh_config: a quote or a comma would start something else.
func checkHosts(patterns []string, field *[]string) error {
	positive := false
	for _, pattern := range patterns {
		name := strings.TrimPrefix(pattern, "!")
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isPatternCharacter(r) }) {
			return fmt.Errorf("expected patterns of letters, digits and -._:%%*?, or such a one after !, got %+q", pattern)
		}
		positive = positive || name == pattern
	}
	if !positive {
		return errors.New("expected at least one pattern without !, as the others only take hosts away")
	}
	*field = patterns
	return nil
}

// checkKeyName: the first alias of a provider with hosts is the name of a key file, in a folder with two other files.
func (p Provider) checkKeyName() error {
	if len(p.Hosts) == 0 {
		return nil
	}
	name := p.Aliases[0]
	if name == "config" || name == "hosts" || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool {
		return !isPatternCharacter(r) && r != '_' || strings.ContainsRune(":%*?", r)
	}) {
		return fmt.Errorf("hosts: expected an alias of letters, digits and -._ that can name their key file, got %+q", name)
	}
	return checkFileEnd(name)
}

// checkFileEnd refuses an alias that names a file beside another alias's key: the certificate, the lock of opkssh ensure, or what is being
// written. Some file systems take capital letters for small ones.
func checkFileEnd(alias string) error {
	for _, end := range []string{".pub", ".lock", ".opkssh-new"} {
		if strings.HasSuffix(strings.ToLower(alias), end) {
			return fmt.Errorf("alias %q: expected a name for a key file that does not end in %s, as files beside one do", alias, end)
		}
	}
	return nil
}

// isPatternCharacter: those of host names and addresses (% is for an IPv6 zone), and the wildcards.
func isPatternCharacter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:%*?", r)
}
