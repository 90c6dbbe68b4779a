package printable_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"opkssh/internal/printable"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"Bö <b> 日本":                      "Bö <b> 日本",
		"a\nb\r\x00\x1b[2J\x7f":          `a\u000ab\u000d\u0000\u001b[2J\u007f`,
		"\u202e\u2028\u200b\ufeff\u009b": `\u202e\u2028\u200b\ufeff\u009b`,
		"\xff\xc3":                       `\xff\xc3`,
		"\ufffd":                         "\ufffd",
		"\U000e0001":                     `\U000e0001`,
	} {
		if got := printable.Text(in); got != want {
			t.Errorf("%+q: expected %q, got %q", in, want, got)
		}
	}
}

func TestJSON(t *testing.T) {
	value := map[string]any{"a": "<&>\u202e\u2028\U000e0001\x1b\nBö"}
	var b bytes.Buffer
	if err := printable.JSON(&b, value); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(b.Bytes(), "\u202e\u2028\U000e0001\x1b") || !bytes.Contains(b.Bytes(), []byte("<&>")) {
		t.Errorf("got %q", b.String())
	}
	var back map[string]any
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || !reflect.DeepEqual(back, value) {
		t.Errorf("got %v, %v", back, err)
	}
	if err := printable.JSON(&b, func() {}); err == nil {
		t.Error("expected an error for a value that JSON does not have")
	}
}

// FuzzText: nothing is left that a terminal obeys, and nothing that can be read is changed.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"B\u00f6", "a\nb\x1b[2J", "\u202e\u2028\u200b", "\xff\xc3", "\ufffd", "\U000e0001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := printable.Text(s)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", s, text)
		}
		if again := printable.Text(text); again != text {
			t.Errorf("%q becomes %q, and that %q", s, text, again)
		}
		var b bytes.Buffer
		if err := printable.JSON(&b, s); err != nil {
			t.Fatal(err)
		}
		var read string
		if err := json.Unmarshal(b.Bytes(), &read); err != nil || utf8.ValidString(s) && read != s {
			t.Errorf("%q becomes %q, and that %q, %v", s, b.String(), read, err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", s, b.String())
		}
	})
}
