package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// EditError is a config.yml or auth_id that is right, but written in a form that is not edited by program.
type EditError struct {
	File   string
	Line   int // from 1; 0 if unknown
	Detail string
	ByHand string // what to do instead
}

// Error gives file:line: detail.
func (e *EditError) Error() string {
	return (&ConfigError{File: e.File, Line: e.Line, Detail: e.Detail}).Error()
}

// AddLock gives config.yml with one entry more, at the end of its list. Comments, order, spacing and all other bytes stay. A
// lock that is there already, or a later time in revoked_before, gives data itself; an earlier time there is replaced. The
// result has been read back: it says what data says and the lock, and nothing else.
//
// Errors: [*ConfigError] if data is not a config.yml, [*EditError] if it cannot be edited, and what [Lock.Check] says.
func AddLock(file string, data []byte, lock Lock) ([]byte, error) {
	if err := lock.Check(); err != nil {
		return nil, err
	}
	before, err := ParseConfig(file, data)
	if err != nil {
		return nil, err
	}
	existing := before.FindLock(lock)
	if slices.ContainsFunc(existing, func(l Lock) bool { return !l.Before.Before(lock.Before) }) {
		return data, nil
	}
	byHand := "add by hand, to the list that is there or as one of its own: " + lock.member()
	edited, err := edit(file, data, byHand, func(t *configText, root *yaml.Node) ([]splice, error) {
		if len(existing) > 0 {
			return t.replaceTime(root, lock)
		}
		return t.insert(root, lock)
	})
	if err != nil {
		return nil, err
	}
	if len(edited) > MaxConfigSize {
		return nil, &EditError{
			File: file, Detail: fmt.Sprintf("with the lock it would be larger than the %d bytes that are read of it, and then keep everyone out", MaxConfigSize),
			ByHand: "take out entries that nobody needs any more, or name what many have in common: deny with a claim, such as groups:contractors",
		}
	}
	want := before.withoutPlaces()
	want.add(lock, len(existing) > 0)
	if err := checkEdited(file, edited, want, byHand); err != nil {
		return nil, err
	}
	return edited, nil
}

// RemoveLock gives config.yml without the entries that [Config.FindLock] finds, under the terms of [AddLock]. A comment on the
// line of an entry goes with it. Without such an entry it gives data itself.
func RemoveLock(file string, data []byte, lock Lock) ([]byte, error) {
	for {
		before, err := ParseConfig(file, data)
		if err != nil {
			return nil, err
		}
		index := before.lockIndex(lock)
		if index < 0 {
			return data, nil
		}
		byHand := "remove by hand: " + before.FindLock(lock)[0].item()
		edited, err := edit(file, data, byHand, func(t *configText, root *yaml.Node) ([]splice, error) {
			return t.remove(root, lock.Kind, index)
		})
		if err != nil {
			return nil, err
		}
		want := before.withoutPlaces()
		want.remove(lock.Kind, index)
		if err := checkEdited(file, edited, want, byHand); err != nil {
			return nil, err
		}
		data = edited
	}
}

// lockIndex is the place of the first match in its own list, or -1.
func (c *Config) lockIndex(lock Lock) int {
	index := 0
	for _, l := range c.Locks() {
		switch {
		case l.sameAs(lock):
			return index
		case l.Kind == lock.Kind:
			index++
		}
	}
	return -1
}

func edit(file string, data []byte, byHand string, change func(*configText, *yaml.Node) ([]splice, error)) ([]byte, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	t, err := newConfigText(file, data)
	var splices []splice
	if err == nil {
		splices, err = change(t, root)
	}
	if err != nil {
		var edit *EditError
		if errors.As(err, &edit) {
			edit.ByHand = byHand
		}
		return nil, err
	}
	return t.apply(splices), nil
}

// checkEdited is why a misread place in the file harms nobody.
func checkEdited(file string, edited []byte, want *Config, byHand string) error {
	refusal := &EditError{File: file, Detail: "this form of config.yml cannot be edited safely", ByHand: byHand}
	after, err := ParseConfig(file, edited)
	var wrong *ConfigError
	switch {
	case errors.As(err, &wrong):
		refusal.Detail = "with the change it would not be a config.yml: " + wrong.Detail
	case reflect.DeepEqual(after.withoutPlaces(), want):
		return nil
	}
	return refusal
}

// withoutPlaces is what the file says, without where it says it.
func (c *Config) withoutPlaces() *Config {
	same := *c
	same.File = ""
	same.DenyEmails, same.DenyUsers, same.Deny, same.RevokedBefore = nil, nil, nil, nil
	for _, l := range c.Locks() {
		same.add(l, false)
	}
	return &same
}

func (c *Config) add(l Lock, replace bool) {
	l.Entry.Line = 0
	switch l.Kind {
	case LockEmail:
		c.DenyEmails = append(c.DenyEmails, DenyName{Name: l.Name})
	case LockUser:
		c.DenyUsers = append(c.DenyUsers, DenyName{Name: l.Name})
	case LockEntry:
		c.Deny = append(c.Deny, l.Entry)
	case LockUntilNewLogin:
		if replace {
			c.RevokedBefore[c.lockIndex(l)].Before = l.Before.UTC()
			return
		}
		c.RevokedBefore = append(c.RevokedBefore, Revocation{Identity: l.Name, Before: l.Before.UTC()})
	}
}

func (c *Config) remove(kind LockKind, index int) {
	switch kind {
	case LockEmail:
		c.DenyEmails = without(c.DenyEmails, index)
	case LockUser:
		c.DenyUsers = without(c.DenyUsers, index)
	case LockEntry:
		c.Deny = without(c.Deny, index)
	case LockUntilNewLogin:
		c.RevokedBefore = without(c.RevokedBefore, index)
	}
}

// without gives nil for an empty list, as a parsed one is.
func without[T any](list []T, index int) []T {
	if len(list) == 1 {
		return nil
	}
	return slices.Delete(list, index, index+1)
}
