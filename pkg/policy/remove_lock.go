package policy

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// remove takes one entry out of a list.
func (t *configText) remove(root *yaml.Node, kind LockKind, index int) ([]splice, error) {
	_, list := find(root, string(kind))
	if list.Style&yaml.FlowStyle != 0 {
		return t.removeFlow(list, index)
	}
	return t.removeBlock(list, index)
}

var beforeItem = lazyRegexp(`^ *- +$`)

// removeBlock takes the lines of an entry.
func (t *configText) removeBlock(list *yaml.Node, index int) ([]splice, error) {
	entry := entries(list)[index]
	start, end, err := t.span(entry)
	if err != nil {
		return nil, err
	}
	from := t.lineOf(start)
	before := t.text[from:start]
	rest := restOfLine().Find(t.text[end:])
	alone := isBlankText(before)
	if list.Kind == yaml.SequenceNode {
		alone = beforeItem().Match(before)
	}
	if !alone || rest == nil {
		return nil, t.refuse(entry[0], "an entry that shares its line")
	}
	to := end + len(rest)
	if !bytes.HasSuffix(rest, []byte("\n")) {
		// The last line of a file that ends without a newline: the line before takes over its part.
		from = t.lines[0] + len(bytes.TrimSuffix(bytes.TrimSuffix(t.text[t.lines[0]:from], []byte("\n")), []byte("\r")))
	}
	return []splice{{from, to, ""}}, nil
}

var (
	flowComma    = lazyRegexp(`^(?:[ \t\r\n]|#[^\n]*\n)*,`) // behind a comment's end: it may hold commas
	commaOnly    = lazyRegexp(`^[ \t]*,[ \t]*$`)
	blanksBehind = lazyRegexp(`^[ \t]*`)
)

// removeFlow takes an entry from between brackets, with one comma.
func (t *configText) removeFlow(list *yaml.Node, index int) ([]splice, error) {
	if _, err := t.end(list); err != nil {
		return nil, err
	}
	all := entries(list)
	start, end, err := t.span(all[index])
	if err != nil {
		return nil, err
	}
	// One comma goes, too: of the last entry the one in front, which came with it.
	comma := end + len(flowComma().Find(t.text[end:]))
	followed := comma > end
	previous := -1
	if index > 0 {
		if _, previous, err = t.span(all[index-1]); err != nil {
			return nil, err
		}
	}
	from := t.lineOf(start)
	rest := restOfLine().FindSubmatch(t.text[end:])
	if isBlankText(t.text[from:start]) && rest != nil && (len(rest[1]) > 0) == followed {
		lines := splice{from, end + len(rest[0]), ""}
		if followed || previous < 0 {
			return []splice{lines}, nil
		}
		at := previous + len(flowComma().Find(t.text[previous:start]))
		return []splice{{at - 1, at, ""}, lines}, nil
	}
	switch {
	case previous >= 0 && index == len(all)-1 && commaOnly().Match(t.text[previous:start]):
		return []splice{{previous, end, ""}}, nil
	case followed:
		blanks := len(blanksBehind().Find(t.text[comma:]))
		return []splice{{start, end, ""}, {comma - 1, comma + blanks, ""}}, nil
	case previous < 0:
		return []splice{{start, end, ""}}, nil
	}
	at := previous + len(flowComma().Find(t.text[previous:start]))
	return []splice{{at - 1, at, ""}, {start, end, ""}}, nil
}
