package login

import (
	"strings"
	"unicode"
)

// printable makes a provider's text safe to show in a terminal: control characters and those that turn the direction of
// writing become blanks, and what exceeds most characters is cut.
func printable(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == most {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
