package policy

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// insert adds a lock that has no entry yet.
func (t *configText) insert(root *yaml.Node, lock Lock) ([]splice, error) {
	key, value := find(root, string(lock.Kind))
	switch {
	case key == nil && root != nil && root.Style&yaml.FlowStyle != 0:
		return t.insertFlow(root, lock.member())
	case key == nil:
		return t.appendMember(root, lock), nil
	case isNull(value):
		return t.fill(key, value, lock.alone())
	case value.Style&yaml.FlowStyle != 0:
		return t.insertFlow(value, lock.item())
	case value.Kind == yaml.SequenceNode:
		return t.insertBlock(value, "- "+lock.item())
	}
	return t.insertBlock(value, lock.item())
}

// appendMember writes a new list at the end of the document.
func (t *configText) appendMember(root *yaml.Node, lock Lock) []splice {
	indent := ""
	if root != nil {
		indent = strings.Repeat(" ", root.Column-1)
	}
	dash := "- "
	if lock.Kind == LockUntilNewLogin {
		dash = ""
	}
	text := indent + string(lock.Kind) + ":" + t.newline + indent + "  " + dash + lock.item() + t.newline
	end := t.endOfDocument()
	if end > t.lines[0] && t.text[end-1] != '\n' {
		text = t.newline + text
	}
	return []splice{{end, end, text}}
}

// endOfDocument is in front of a document end marker (YAML 1.2 §9.1.2): what stands behind it would be another document.
func (t *configText) endOfDocument() int {
	end := len(t.text)
	for i, start := range slices.Backward(t.lines) {
		line := t.text[start:]
		if i+1 < len(t.lines) {
			line = t.text[start:t.lines[i+1]]
		}
		switch {
		case documentEnd().Match(line):
			end = start
		case !commentOnly().Match(line):
			return end
		}
	}
	return end
}

var (
	documentEnd = lazyRegexp(`^\.\.\.[ \t]*(?:#.*)?\r?\n?$`)
	commentOnly = lazyRegexp(`^[ \t]*(?:#.*)?\r?\n?$`)
)

// fill gives a value to a member without one.
func (t *configText) fill(key, value *yaml.Node, text string) ([]splice, error) {
	if value.Value != "" {
		start, end, err := t.span([2]*yaml.Node{value, value})
		return []splice{{start, end, text}}, err
	}
	at, err := t.end(key)
	if err != nil {
		return nil, err
	}
	at += len(t.text[at:]) - len(bytes.TrimLeft(t.text[at:], " \t"))
	if at >= len(t.text) || t.text[at] != ':' {
		return nil, t.refuse(key, "this form")
	}
	return []splice{{at + 1, at + 1, " " + text}}, nil
}

// insertFlow adds an entry in front of the closing bracket: on a line of its own where the last entry has one.
func (t *configText) insertFlow(n *yaml.Node, text string) ([]splice, error) {
	if _, err := t.end(n); err != nil {
		return nil, err
	}
	all := entries(n)
	if len(all) == 0 {
		start, err := t.start(n)
		if next := start + 1; err == nil && !strings.ContainsRune(" \t\r\n]}", rune(t.text[next])) {
			text += " "
		}
		return []splice{{start + 1, start + 1, text}}, err
	}
	start, end, err := t.span(all[len(all)-1])
	if err != nil {
		return nil, err
	}
	before := t.text[t.lineOf(start):start]
	rest := restOfLine().FindSubmatch(t.text[end:])
	if !isBlankText(before) || rest == nil {
		return []splice{{end, end, ", " + text}}, nil
	}
	if comma := len(flowComma().Find(t.text[end:])); comma > 0 && len(rest[1]) == 0 {
		// The comma behind the last entry is on a line further down.
		at := end + comma
		if blanks := len(blanksBehind().Find(t.text[at:])); blanks > 0 {
			return []splice{{at + blanks, at + blanks, text + ", "}}, nil
		}
		return []splice{{at, at, text + ","}}, nil
	}
	at := end + len(bytes.TrimRight(rest[0], "\r\n"))
	line := t.newlineAt(end) + string(before) + text
	if len(rest[1]) > 0 {
		return []splice{{at, at, line + ","}}, nil
	}
	return []splice{{end, end, ","}, {at, at, line}}, nil
}

// insertBlock adds a line behind the line that the last entry ends in.
func (t *configText) insertBlock(n *yaml.Node, text string) ([]splice, error) {
	all := entries(n)
	_, end, err := t.span(all[len(all)-1])
	if err != nil {
		return nil, err
	}
	rest := restOfLine().Find(t.text[end:])
	if rest == nil {
		return nil, t.refuse(all[len(all)-1][0], "something behind a value")
	}
	line := strings.Repeat(" ", n.Column-1) + text
	at := end + len(rest)
	if !bytes.HasSuffix(rest, []byte("\n")) {
		return []splice{{at, at, t.newlineAt(end) + line}}, nil
	}
	return []splice{{at, at, line + t.newlineAt(end)}}, nil
}

// newlineAt is how the line ends that at is in, or lines in general if it has no end.
func (t *configText) newlineAt(at int) string {
	switch end := bytes.IndexByte(t.text[at:], '\n'); {
	case end < 0:
		return t.newline
	case end > 0 && t.text[at+end-1] == '\r':
		return "\r\n"
	}
	return "\n"
}

// replaceTime writes a later time for somebody in revoked_before.
func (t *configText) replaceTime(root *yaml.Node, lock Lock) ([]splice, error) {
	_, value := find(root, string(lock.Kind))
	for _, pair := range entries(value) {
		if !(Lock{Kind: lock.Kind, Name: strings.TrimSpace(pair[0].Value)}).sameAs(lock) {
			continue
		}
		start, end, err := t.span([2]*yaml.Node{pair[1], pair[1]})
		return []splice{{start, end, lock.Before.UTC().Format(time.RFC3339)}}, err
	}
	return nil, t.refuse(value, "this form")
}
