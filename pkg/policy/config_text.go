package policy

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// configText is config.yml as bytes, and where its nodes stand in them. The parser says only where a node starts.
type configText struct {
	file    string
	text    []byte
	lines   []int // offsets of the lines' first bytes, behind a byte order mark
	newline string
	last    position
}

// position is a place in the text, as the parser counts and as an offset.
type position struct{ line, column, at int }

// splice replaces text[from:to].
type splice struct {
	from, to int
	text     string
}

func newConfigText(file string, data []byte) (*configText, error) {
	t := &configText{file: file, text: data, newline: "\n"}
	start := 0
	if bytes.HasPrefix(data, []byte("\uFEFF")) {
		start = len("\uFEFF")
	}
	t.lines = []int{start}
	for i := start; i < len(data); i++ {
		if data[i] != '\n' {
			continue
		}
		if len(t.lines) == 1 && i > start && data[i-1] == '\r' {
			t.newline = "\r\n"
		}
		t.lines = append(t.lines, i+1)
	}
	// What the parser counts as a line, and an editor does not.
	others := strings.ReplaceAll(string(data), "\r\n", "\n")
	if !utf8.Valid(data) || strings.ContainsAny(others, "\x00\r\u0085\u2028\u2029") {
		return nil, &EditError{File: file, Detail: "expected UTF-8 with lines that end in LF or CRLF"}
	}
	return t, nil
}

// apply makes the changes, which are in the order of the text and apart from each other.
func (t *configText) apply(splices []splice) []byte {
	var b bytes.Buffer
	at := 0
	for _, s := range splices {
		b.Write(t.text[at:s.from])
		b.WriteString(s.text)
		at = s.to
	}
	b.Write(t.text[at:])
	return b.Bytes()
}

func (t *configText) refuse(n *yaml.Node, detail string) error {
	return &EditError{File: t.file, Line: n.Line, Detail: detail + " cannot be edited safely"}
}

// start is the offset of a node's first byte. The parser counts columns in characters. It goes on from the last node that it was
// asked about, so that many nodes of one line are no more work than the line is long.
func (t *configText) start(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(t.lines) {
		return 0, t.refuse(n, "a value outside the file")
	}
	if t.last.line != n.Line || t.last.column > n.Column {
		t.last = position{n.Line, 1, t.lines[n.Line-1]}
	}
	for ; t.last.column < n.Column; t.last.column++ {
		if t.last.at >= len(t.text) {
			return 0, t.refuse(n, "a value outside the file")
		}
		_, size := utf8.DecodeRune(t.text[t.last.at:])
		t.last.at += size
	}
	return t.last.at, nil
}

// end is the offset behind a node's last byte.
func (t *configText) end(n *yaml.Node) (int, error) {
	start, err := t.start(n)
	if err != nil {
		return 0, err
	}
	rest := t.text[start:]
	switch {
	case n.Kind == yaml.ScalarNode && n.Style&yaml.DoubleQuotedStyle != 0:
		return t.endOfMatch(n, start, doubleQuoted())
	case n.Kind == yaml.ScalarNode && n.Style&yaml.SingleQuotedStyle != 0:
		return t.endOfMatch(n, start, singleQuoted())
	case n.Kind == yaml.ScalarNode && n.Style == 0 && bytes.HasPrefix(rest, []byte(n.Value)):
		return start + len(n.Value), nil
	case n.Kind == yaml.ScalarNode:
		return 0, t.refuse(n, "a value over several lines")
	case n.Style&yaml.FlowStyle != 0:
		return t.endOfFlow(n, start)
	case len(n.Content) > 0:
		return t.end(n.Content[len(n.Content)-1])
	}
	return 0, t.refuse(n, "this form")
}

var (
	doubleQuoted = lazyRegexp(`^"(?s:[^"\\]|\\.)*"`)
	singleQuoted = lazyRegexp(`^'(?:[^']|'')*'`)
	// What stands between the values of a collection in brackets.
	flowGap = lazyRegexp(`^(?:[ \t\r\n,:]|#[^\n]*)*`)
	// What can follow a value on its line.
	restOfLine = lazyRegexp(`^[ \t]*(,?)[ \t]*(?:#[^\n]*|\r)?(?:\n|$)`)
)

func (t *configText) endOfMatch(n *yaml.Node, start int, pattern *regexp.Regexp) (int, error) {
	match := pattern.FindIndex(t.text[start:])
	if match == nil {
		return 0, t.refuse(n, "this form")
	}
	return start + match[1], nil
}

// endOfFlow goes from value to value: a bracket inside one of them does not count.
func (t *configText) endOfFlow(n *yaml.Node, start int) (int, error) {
	brackets := map[yaml.Kind]string{yaml.SequenceNode: "[]", yaml.MappingNode: "{}"}[n.Kind]
	if start >= len(t.text) || brackets == "" || t.text[start] != brackets[0] {
		return 0, t.refuse(n, "this form")
	}
	at := start + 1
	for _, child := range n.Content {
		end, err := t.end(child)
		if err != nil {
			return 0, err
		}
		at = max(at, end)
	}
	at += len(flowGap().Find(t.text[at:]))
	if at >= len(t.text) || t.text[at] != brackets[1] {
		return 0, t.refuse(n, "this form")
	}
	return at + 1, nil
}

// lineOf gives the offset of the first byte of the line that at is in.
func (t *configText) lineOf(at int) int {
	if i := bytes.LastIndexByte(t.text[:at], '\n'); i >= 0 {
		return i + 1
	}
	return t.lines[0]
}

func isBlankText(text []byte) bool { return len(bytes.Trim(text, " \t")) == 0 }

// find gives the key and value of a member of the file, or nil.
func find(root *yaml.Node, member string) (key, value *yaml.Node) {
	for i := 0; root != nil && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == member {
			return root.Content[i], root.Content[i+1]
		}
	}
	return nil, nil
}

// entries are the first and the last nodes of a collection's entries: of a mapping, the key and the value.
func entries(n *yaml.Node) [][2]*yaml.Node {
	step := 1
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	var pairs [][2]*yaml.Node
	for i := 0; i+step <= len(n.Content); i += step {
		pairs = append(pairs, [2]*yaml.Node{n.Content[i], n.Content[i+step-1]})
	}
	return pairs
}

// span is an entry's place in the text.
func (t *configText) span(entry [2]*yaml.Node) (start, end int, err error) {
	if start, err = t.start(entry[0]); err != nil {
		return 0, 0, err
	}
	end, err = t.end(entry[1])
	if err == nil && end < start {
		err = t.refuse(entry[0], "this form")
	}
	return start, end, err
}
