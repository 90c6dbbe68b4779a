package policy

import (
	"fmt"
	"strings"
	"unicode"
)

// CheckEmailAddress refuses what is nobody's email address: brackets, quotes or a list that it was copied with, a letter that nobody sees, a
// dot too many. auth_id and config.yml may hold such an entry: there it lets nobody in, or keeps nobody out.
func CheckEmailAddress(s string) error {
	local, domain, _ := strings.Cut(s, "@")
	wrong := local == "" || local[0] == '\'' || strings.ContainsFunc(local, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsGraphic(r) || strings.ContainsRune(`<>()[],;:"\*?`, r)
	})
	for label := range strings.SplitSeq(domain, ".") {
		wrong = wrong || label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
		})
	}
	if wrong {
		return fmt.Errorf("expected one whole email address and nothing else, such as alice@example.com, got %s", quoteShort(s))
	}
	return nil
}
