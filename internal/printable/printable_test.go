package printable_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

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
