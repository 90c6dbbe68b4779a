package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// LockKind is the member of config.yml that a [Lock] stands in.
type LockKind string

const (
	// LockEmail keeps a person out.
	LockEmail LockKind = "deny_emails"
	// LockUser lets nobody log in as a user of the host.
	LockUser LockKind = "deny_users"
	// LockEntry keeps out a subject, all who hold a claim, or a key.
	LockEntry LockKind = "deny"
	// LockUntilNewLogin keeps a person out until they have logged in anew at the provider.
	LockUntilNewLogin LockKind = "revoked_before"
)

// Lock is one entry of config.yml that keeps somebody out.
type Lock struct {
	Kind   LockKind
	Name   string    // LockEmail: the email; LockUser: the user; LockUntilNewLogin: the email or subject
	Entry  DenyEntry // LockEntry; its Line is not used
	Before time.Time // LockUntilNewLogin: tokens issued then or earlier do not count; in whole seconds
	Line   int       // where it stands; 0 for one that is to be added
}

// Locks are the entries of the deny lists and of revoked_before, in the order of the [LockKind] constants and then of the file.
func (c *Config) Locks() []Lock {
	var locks []Lock
	for _, e := range c.DenyEmails {
		locks = append(locks, Lock{Kind: LockEmail, Name: e.Name, Line: e.Line})
	}
	for _, e := range c.DenyUsers {
		locks = append(locks, Lock{Kind: LockUser, Name: e.Name, Line: e.Line})
	}
	for _, e := range c.Deny {
		line := e.Line
		e.Line = 0
		locks = append(locks, Lock{Kind: LockEntry, Entry: e, Line: line})
	}
	for _, e := range c.RevokedBefore {
		locks = append(locks, Lock{Kind: LockUntilNewLogin, Name: e.Identity, Before: e.Before, Line: e.Line})
	}
	return locks
}

// FindLock gives the entries for the same somebody as lock: emails and users in any case, and revoked_before whatever its time.
func (c *Config) FindLock(lock Lock) []Lock {
	return slices.DeleteFunc(c.Locks(), func(l Lock) bool { return !l.sameAs(lock) })
}

func (l Lock) sameAs(o Lock) bool {
	if l.Kind != o.Kind {
		return false
	}
	switch {
	case l.Kind == LockEntry:
		l.Entry.Line, o.Entry.Line = 0, 0
		return l.Entry == o.Entry
	case l.Kind == LockUser || strings.Contains(l.Name, "@"):
		return equalFoldASCII(l.Name, o.Name)
	}
	return l.Name == o.Name
}

// ClaimLock keeps out all who hold a claim: of one issuer's tokens, or of all if issuer is empty. text is CLAIM:VALUE, as in
// config.yml and auth_id.
func ClaimLock(text, issuer string) (Lock, error) {
	claim, value, err := splitClaim(text)
	return Lock{Kind: LockEntry, Entry: DenyEntry{Claim: claim, Value: value, Issuer: issuer}}, err
}

// Check says whether an entry like this does what it says, by the rules of [ParseConfig].
func (l Lock) Check() error {
	config, err := ParseConfig("lock", []byte(l.member()+"\n"))
	if err != nil {
		var wrong *ConfigError
		if errors.As(err, &wrong) {
			return fmt.Errorf("%s: %s", l.Kind, wrong.Detail)
		}
		return err
	}
	if got := config.Locks(); len(got) != 1 || !got[0].sameAs(l) || !got[0].Before.Equal(l.Before) {
		return fmt.Errorf("%s: config.yml cannot say %s", l.Kind, l.item())
	}
	return nil
}

// String is the lock as a member of config.yml on one line.
func (l Lock) String() string { return l.member() }

func (l Lock) member() string { return string(l.Kind) + ": " + l.alone() }

// alone is the value of a member that holds nothing else.
func (l Lock) alone() string {
	if l.Kind == LockUntilNewLogin {
		return "{" + l.item() + "}"
	}
	return "[" + l.item() + "]"
}

// item is the entry, in a form that stands in a block as well as between brackets.
func (l Lock) item() string {
	switch l.Kind {
	case LockUntilNewLogin:
		return yamlText(l.Name) + ": " + l.Before.UTC().Format(time.RFC3339)
	case LockEntry:
		var members []string
		add := func(name, value string) {
			if value != "" {
				members = append(members, name+": "+yamlQuoted(value))
			}
		}
		add("sub", l.Entry.Subject)
		if l.Entry.Claim != "" {
			add("claim", joinClaim(l.Entry.Claim, l.Entry.Value))
		}
		add("key", l.Entry.Key)
		add("issuer", l.Entry.Issuer)
		return "{" + strings.Join(members, ", ") + "}"
	}
	return yamlText(l.Name)
}

var yamlPlain = lazyRegexp(`^[A-Za-z0-9_][A-Za-z0-9_.+@-]*$`)

// yamlText leaves the quotes out where nobody would write them.
func yamlText(s string) string {
	if node := (&yaml.Node{Kind: yaml.ScalarNode, Value: s}); yamlPlain().MatchString(s) && node.ShortTag() == "!!str" {
		return s
	}
	return yamlQuoted(s)
}

// yamlQuoted: what JSON quotes, YAML reads.
func yamlQuoted(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	// A string always has a JSON form.
	_ = encoder.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}

var logEscape = lazyRegexp(`\\(?:u[0-9a-fA-F]{4}|\\|")`)

// HasLogEscape is whether a name holds what the log writes for a letter that is not ASCII, a backslash or a quote (RFC 8259 §7): it may have
// been copied from there.
func HasLogEscape(name string) bool { return logEscape().MatchString(name) }
