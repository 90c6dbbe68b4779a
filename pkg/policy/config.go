package policy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxConfigSize is the longest config.yml that is read, in bytes.
const MaxConfigSize = 1 << 20

// Config is /etc/opk/config.yml. A host without that file has [DefaultConfig]. Decide looks at the deny lists, RevokedBefore and
// RequireEmailVerified; the others are for the verifier.
type Config struct {
	File string // for messages

	DenyEmails    []DenyName
	DenyUsers     []DenyName
	Deny          []DenyEntry
	RevokedBefore []Revocation

	// RequireEmailVerified: a rule that rests on `email` lets in only those whose provider vouches for it.
	RequireEmailVerified bool
	// HomePolicy: rules in users' home folders count.
	HomePolicy bool
	// Sandbox: a verification gives up what it does not need before it looks at a token. True in [DefaultConfig].
	Sandbox bool

	EnvVars  map[string]string // for plugins and for requests to providers
	KeyCache KeyCache
	Log      Log
	// Chain are commands for keys that are not ours, as words. %u, %k, %t and %f stand for sshd's, and %% for %.
	Chain [][]string
}

// DenyName is an entry of deny_emails or of deny_users. Both are compared ASCII case-insensitively: hosts have user names there that
// are spelt with capitals.
type DenyName struct {
	Name string
	Line int // 0 if unknown
}

// DenyEntry is an entry of deny: a subject of an issuer, a claim (of one issuer if it is named), or a key's fingerprint.
type DenyEntry struct {
	Issuer, Subject string
	Claim, Value    string
	Key             string // SHA256:… of a key or of a certificate, as ssh-keygen -l writes it
	Line            int    // 0 if unknown
}

// Revocation is an entry of revoked_before: tokens that were issued at Before or earlier to Identity, an email or a subject,
// are denied.
type Revocation struct {
	Identity string
	Before   time.Time
	Line     int // 0 if unknown
}

// KeyCache says how long providers' keys are kept.
type KeyCache struct {
	TTL        time.Duration // how long keys are fresh if the provider does not say
	MaxStale   time.Duration // how long they serve while the provider cannot be reached
	MinRefresh time.Duration // least time between two requests for an unknown key
	Timeout    time.Duration // of a request
}

// Log says where the log goes and what is in it.
type Log struct {
	To    string // auto, syslog, stderr or an absolute path
	Level string // debug, info, warn or error
}

// DefaultConfig is what an absent or empty config.yml means.
func DefaultConfig() *Config {
	return &Config{
		HomePolicy: true,
		Sandbox:    true,
		KeyCache:   KeyCache{TTL: time.Hour, MaxStale: day, MinRefresh: 30 * time.Second, Timeout: 2 * time.Second},
		Log:        Log{To: "auto", Level: "info"},
	}
}

// ParseConfig reads config.yml. Unknown and repeated members, entries of a deny list that could match nobody, anchors and
// tags, a second document, and more than [MaxConfigSize] bytes are errors; every error is a [*ConfigError]. file is for messages.
func ParseConfig(file string, data []byte) (*Config, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	c := DefaultConfig()
	c.File = file
	if root == nil {
		return c, nil
	}
	r := yamlReader{file}
	if err := c.read(r, root); err != nil {
		return nil, asConfigError(err)
	}
	return c, nil
}

func (c *Config) read(r yamlReader, root *yaml.Node) error {
	return r.mapping(root, map[string]func(*yaml.Node) error{
		"env_vars":    c.readEnvVars(r),
		"deny_emails": r.names(&c.DenyEmails, checkDenyEmail),
		"deny_users":  r.names(&c.DenyUsers, checkPrincipal),
		"deny": r.each(func(n *yaml.Node) error {
			entry, err := readDenyEntry(r, n)
			c.Deny = append(c.Deny, entry)
			return err
		}),
		"revoked_before":         c.readRevokedBefore(r),
		"require_email_verified": r.boolean(&c.RequireEmailVerified),
		"home_policy":            r.boolean(&c.HomePolicy),
		"sandbox":                r.boolean(&c.Sandbox),
		"key_cache": r.members(map[string]func(*yaml.Node) error{
			"ttl":         r.duration(&c.KeyCache.TTL),
			"max_stale":   r.duration(&c.KeyCache.MaxStale),
			"min_refresh": r.duration(&c.KeyCache.MinRefresh),
			"timeout":     r.duration(&c.KeyCache.Timeout),
		}),
		"log": r.members(map[string]func(*yaml.Node) error{
			"to":    r.text(&c.Log.To, checkLogTarget),
			"level": r.text(&c.Log.Level, checkLogLevel),
		}),
		"chain": r.each(func(n *yaml.Node) error {
			var command string
			if err := r.text(&command, nil)(n); err != nil {
				return err
			}
			words, err := splitChain(command)
			if err != nil {
				return r.fail(n, "%s", err)
			}
			c.Chain = append(c.Chain, words)
			return nil
		}),
	})
}

var envName = lazyRegexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c *Config) readEnvVars(r yamlReader) func(*yaml.Node) error {
	return r.pairs(func(key, value *yaml.Node) error {
		if !envName().MatchString(key.Value) {
			return r.fail(key, "expected the name of an environment variable, got %s", quoteShort(key.Value))
		}
		var s string
		if err := r.text(&s, nil)(value); err != nil {
			return err
		}
		if c.EnvVars == nil {
			c.EnvVars = map[string]string{}
		}
		c.EnvVars[key.Value] = s
		return nil
	})
}

func (c *Config) readRevokedBefore(r yamlReader) func(*yaml.Node) error {
	seen := map[string]bool{}
	return r.pairs(func(key, value *yaml.Node) error {
		identity := strings.TrimSpace(key.Value)
		if key.ShortTag() == "!!null" || identity == "" || identity == "*" {
			return r.fail(key, "expected an email or a subject, got %s", quoteShort(key.Value))
		}
		folded := identity
		if strings.Contains(identity, "@") {
			folded = strings.Map(foldASCII, identity)
		}
		if seen[folded] {
			return r.fail(key, "%s stands twice", quoteShort(identity))
		}
		seen[folded] = true
		before, err := time.Parse(time.RFC3339, value.Value)
		if value.Kind != yaml.ScalarNode || err != nil || before.Unix() <= 0 {
			return r.fail(value, "expected a time such as 2026-11-20T09:00:00Z, got %s", quoteShort(value.Value))
		}
		c.RevokedBefore = append(c.RevokedBefore, Revocation{Identity: identity, Before: before, Line: key.Line})
		return nil
	})
}

func readDenyEntry(r yamlReader, n *yaml.Node) (DenyEntry, error) {
	e := DenyEntry{Line: n.Line}
	var claim string
	err := r.mapping(n, map[string]func(*yaml.Node) error{
		"sub":    r.text(&e.Subject, checkNotWildcard),
		"issuer": r.text(&e.Issuer, checkIssuer),
		"key":    r.text(&e.Key, checkFingerprint),
		"claim": r.text(&claim, func(s string) (err error) {
			if e.Claim, e.Value, err = splitClaim(s); err != nil {
				return err
			}
			return checkNotWildcard(e.Value)
		}),
	})
	given := 0
	for _, s := range []string{e.Subject, e.Claim, e.Key} {
		if s != "" {
			given++
		}
	}
	switch {
	case err != nil:
		return e, err
	case given != 1:
		return e, r.fail(n, "expected one of sub, claim and key")
	case e.Subject != "" && e.Issuer == "":
		return e, r.fail(n, "a subject means nothing without its issuer: expected issuer beside sub")
	case e.Key != "" && e.Issuer != "":
		return e, r.fail(n, "a key has no issuer: expected key alone")
	}
	return e, nil
}

// checkDenyEmail refuses what no address equals: it would seem to deny and let everybody pass.
func checkDenyEmail(s string) error {
	local, domain, _ := strings.Cut(s, "@")
	if local == "" || domain == "" || strings.ContainsAny(s, "*? ,\t") {
		return fmt.Errorf("expected one whole email address, got %s", quoteShort(s))
	}
	return nil
}

func checkNotWildcard(s string) error {
	if strings.TrimSpace(s) == "" || s == "*" {
		return fmt.Errorf("expected a value, got %s", quoteShort(s))
	}
	return nil
}

func checkFingerprint(s string) error {
	digest, ok := strings.CutPrefix(s, "SHA256:")
	sum, err := base64.RawStdEncoding.Strict().DecodeString(digest)
	if !ok || err != nil || len(sum) != 32 {
		return fmt.Errorf("expected a fingerprint as ssh-keygen -l writes it, SHA256:… of 43 characters, got %s", quoteShort(s))
	}
	return nil
}

func checkLogTarget(s string) error {
	if slices.Contains([]string{"auto", "syslog", "stderr"}, s) || path.IsAbs(s) && path.Clean(s) == s && s != "/" {
		return nil
	}
	return fmt.Errorf("expected auto, syslog, stderr or an absolute path, got %s", quoteShort(s))
}

func checkLogLevel(s string) error {
	if slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return nil
	}
	return fmt.Errorf("expected debug, info, warn or error, got %s", quoteShort(s))
}

// splitChain checks that the program is an absolute path, fixed by the file, and that each % begins something known.
func splitChain(command string) ([]string, error) {
	words, err := SplitCommand(command)
	if err != nil {
		return nil, err
	}
	if !path.IsAbs(words[0]) || strings.Contains(words[0], "%") {
		return nil, fmt.Errorf("expected a command with an absolute path, got %s", quoteShort(words[0]))
	}
	for _, w := range words {
		for _, after := range strings.Split(strings.ReplaceAll(w, "%%", ""), "%")[1:] {
			if after == "" || strings.IndexByte("uktf", after[0]) < 0 {
				return nil, errors.New("expected %u, %k, %t, %f or %% in " + quoteShort(w))
			}
		}
	}
	return words, nil
}
