package policy

import (
	"bytes"
	"slices"
	"time"
)

// Same is whether two rules say the same wherever they stand. Emails are compared in any case, as a login does.
func (r Rule) Same(o Rule) bool {
	return r.SamePeople(o) && FormatOptions(r.Options) == FormatOptions(o.Options)
}

// SamePeople is [Rule.Same] whatever the options: of two such rules only the first ever decides, unless its expiry-time passes.
func (r Rule) SamePeople(o Rule) bool {
	return r.Principal == o.Principal && r.Issuer == o.Issuer && r.Identity.same(o.Identity)
}

// Expired is whether the rule's expiry-time has passed: it lets nobody in, and leaves the field to the rules behind it.
func (r Rule) Expired(now time.Time) bool { return expired(r.Options, now) }

// HasIdentity is whether the rule's identity is the one that text spells. A text that is no identity is that of no rule.
func (r Rule) HasIdentity(text string) bool {
	identity, err := parseIdentity(text)
	return err == nil && identity.same(r.Identity)
}

func (i Identity) same(o Identity) bool {
	if i.Kind == IdentityEmail || i.Kind == IdentityEmailSuffix {
		return i.Kind == o.Kind && equalFoldASCII(i.Value, o.Value)
	}
	return i == o
}

// AddRule gives auth_id with a row for the rule behind all others; everything else stays as it is, byte for byte. data is
// nil for a file that is not there. The error is an [*EditError] where the result would not say what it should.
func AddRule(file string, data []byte, rule Rule) ([]byte, error) {
	end := newlineOf(data)
	var edited bytes.Buffer
	edited.Write(data)
	switch {
	case bytes.HasSuffix(data, []byte("\r")):
		edited.WriteString("\n") // half of an end is there
	case len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")):
		edited.WriteString(end)
	}
	edited.WriteString(rule.String() + end)

	before, problems := ParseRules(file, data)
	after, stillProblems := ParseRules(file, edited.Bytes())
	want := append(before, rule)
	if len(problems) != len(stillProblems) || !slices.EqualFunc(after, want, Rule.Same) {
		return nil, &EditError{File: file, Detail: "this file cannot be added to safely", ByHand: "add by hand: " + rule.String()}
	}
	return edited.Bytes(), nil
}

// RemoveRules gives auth_id without the rows of the rules for which remove is true, and these rules. A comment on the line of
// a row goes with it; everything else stays as it is, byte for byte.
func RemoveRules(file string, data []byte, remove func(Rule) bool) (edited []byte, removed []Rule) {
	gone := map[int]bool{}
	rules, _ := ParseRules(file, data)
	for _, rule := range rules {
		if remove(rule) {
			gone[rule.Line] = true
			removed = append(removed, rule)
		}
	}
	if len(removed) == 0 {
		return data, nil
	}
	// The mark at the start of the file is not part of its first line.
	mark := len(data) - len(bytes.TrimPrefix(data, []byte("\uFEFF")))
	edited = append(edited, data[:mark]...)
	number := 0
	for line := range bytes.SplitAfterSeq(data[mark:], []byte("\n")) {
		if number++; !gone[number] {
			edited = append(edited, line...)
		}
	}
	return edited, removed
}

// newlineOf is how the first line of a file ends.
func newlineOf(data []byte) string {
	if end := bytes.IndexByte(data, '\n'); end > 0 && data[end-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
