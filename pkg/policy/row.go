package policy

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lines gives the rows of a file with their numbers from 1. A UTF-8 byte order mark and CRLF are accepted.
func lines(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		data = bytes.TrimPrefix(data, []byte("\uFEFF"))
		for number := 1; len(data) > 0; number++ {
			var line []byte
			if end := bytes.IndexByte(data, '\n'); end < 0 {
				line, data = data, nil
			} else {
				line, data = data[:end], data[end+1:]
			}
			if len(line) > 0 && line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
			if !yield(number, line) {
				return
			}
		}
	}
}

// word is a word of a row without its quotes, and the column where it starts.
type word struct {
	text   string
	column int
}

// row splits one line like a POSIX shell splits words (Shell Command Language §2.2), with nothing expanded: single quotes,
// double quotes with a backslash before ", \, $ or `, and a backslash outside quotes. # at the start of a word begins a comment.
type row struct {
	line string
	pos  int
}

// more moves to the next word; it is false at the end of the row.
func (r *row) more() bool {
	for r.pos < len(r.line) && isBlank(r.line[r.pos]) {
		r.pos++
	}
	return r.pos < len(r.line) && r.line[r.pos] != '#'
}

// next reads one word; ok is false at the end of the row. After a fault the row cannot be read on.
func (r *row) next() (w word, ok bool, f *fault) {
	if !r.more() {
		return word{}, false, nil
	}
	w.column = r.pos + 1
	var text strings.Builder
	var quote byte
	opened, escaped := 0, false
scan:
	for ; r.pos < len(r.line); r.pos++ {
		c := r.line[r.pos]
		switch {
		case c == '\t' && quote == 0:
			break scan
		case c < ' ':
			return w, false, faultAt(r.pos+1, "control character %#02x", c)
		case escaped:
			if quote == '"' && strings.IndexByte("\"\\$`", c) < 0 {
				text.WriteByte('\\')
			}
			text.WriteByte(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, opened = c, r.pos+1
		case quote == 0 && c == ' ':
			break scan
		default:
			text.WriteByte(c)
		}
	}
	switch {
	case quote != 0:
		return w, false, faultAt(opened, "quote %c is never closed", quote)
	case escaped:
		return w, false, faultAt(r.pos, "nothing follows the backslash")
	}
	w.text = text.String()
	if detail := unreadable(w.text); detail != "" {
		return w, false, faultAt(w.column, "%s", detail)
	}
	return w, true, nil
}

// unreadable says why text cannot stand in a file, or "".
func unreadable(text string) string {
	if !utf8.ValidString(text) {
		return "not UTF-8"
	}
	for _, c := range text {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return fmt.Sprintf("control character %U", c)
		}
	}
	return ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// SplitCommand splits a command line into words like the rows of the files: as a shell does, with nothing expanded and no
// shell involved. A command without a word is an error.
func SplitCommand(command string) ([]string, error) {
	r := row{line: command}
	var words []string
	for {
		w, ok, f := r.next()
		switch {
		case f != nil:
			return nil, fmt.Errorf("column %d: %s", f.column, f.detail)
		case !ok && len(words) == 0:
			return nil, errors.New("the command is empty")
		case !ok:
			return words, nil
		}
		words = append(words, w.text)
	}
}

// quoteWord writes a word so that next reads it back.
func quoteWord(text string) string {
	if text != "" && text[0] != '#' && !strings.ContainsAny(text, " \t'\"\\") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
