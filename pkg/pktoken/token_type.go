package pktoken

import (
	"fmt"
	"strings"
)

// tokenType is what the `typ` of an OP token says that it is.
type tokenType int

const (
	typeIDToken       tokenType = iota // no typ, or JWT
	typeKeyBound                       // dpop+id_token
	typeATAccessToken                  // at+jwt (RFC 9068)
)

func providerTokenType(header map[string]any) (tokenType, error) {
	typ, present, err := stringMember(header, "typ")
	switch {
	case err != nil:
		return 0, err
	case !present, equalFoldASCII(typ, "JWT"):
		return typeIDToken, nil
	case typ == "dpop+id_token":
		return typeKeyBound, nil
	case equalFoldASCII(typ, "at+jwt"):
		return typeATAccessToken, nil
	}
	return 0, fmt.Errorf("typ: expected none, %q or %q, got %s", "JWT", "dpop+id_token", quoteShort(typ))
}

// equalFoldASCII is case-insensitive for A to Z alone: Unicode folding would take U+212A for k.
func equalFoldASCII(a, b string) bool {
	return len(a) == len(b) && lowerASCII(a) == lowerASCII(b)
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// describe puts a JSON value of any type into an error.
func describe(v any) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(v)
}
