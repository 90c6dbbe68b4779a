package pktoken_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"opkssh/pkg/pktoken"
)

// TestRejectErrorIsOnePrintableLine: hostile values neither break the line of a log nor fill it.
func TestRejectErrorIsOnePrintableLine(t *testing.T) {
	hostile := "a\nb\r\x1b[31m\u2028\u2029\u0085\u202e\u200b\ufeff\x00\xff" + strings.Repeat("x", 10000)
	for _, err := range []*pktoken.RejectError{
		{Reason: pktoken.ReasonMalformed, Detail: hostile},
		{Reason: pktoken.ReasonMalformed, Expected: hostile, Got: hostile},
		{Reason: pktoken.ReasonMalformed, Expected: hostile},
		{Reason: pktoken.ReasonMalformed, Got: hostile},
		{Reason: pktoken.ReasonMalformed, Err: errors.New(hostile)},
	} {
		text := err.Error()
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q is not printable", text[i:i+4])
		}
		if len(text) > 3000 {
			t.Errorf("%d bytes", len(text))
		}
		if !strings.HasPrefix(text, string(pktoken.ReasonMalformed)) {
			t.Errorf("the reason does not come first: %.50s", text)
		}
	}
}

func TestRejectErrorWords(t *testing.T) {
	for _, c := range []struct {
		err  *pktoken.RejectError
		want string
	}{
		{&pktoken.RejectError{Reason: "r", Detail: "d"}, "r: d"},
		{&pktoken.RejectError{Reason: "r", Detail: "d", Expected: "a", Got: "b"}, `r: d: expected "a", got "b"`},
		{&pktoken.RejectError{Reason: "r", Detail: "d", Expected: "a"}, `r: d: expected "a"`},
		{&pktoken.RejectError{Reason: "r", Detail: "d", Got: "b"}, `r: d: got "b"`},
		{&pktoken.RejectError{Reason: "r", Detail: "d", Err: errors.New("cause")}, "r: d: cause"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("expected %s, got %s", c.want, got)
		}
	}
}

func TestCommitmentNames(t *testing.T) {
	for kind := range pktoken.Commitment(4) {
		if got, ok := pktoken.ParseCommitment(kind.String()); !ok || got != kind {
			t.Errorf("%s: got %v, %v", kind, got, ok)
		}
	}
	for _, name := range []string{"", "Nonce", "unknown", "nonce "} {
		if _, ok := pktoken.ParseCommitment(name); ok {
			t.Errorf("%q is a kind of commitment", name)
		}
	}
	for _, kind := range []pktoken.Commitment{-1, 4} {
		if kind.String() != "unknown" {
			t.Errorf("%d: got %s", kind, kind)
		}
	}
}
