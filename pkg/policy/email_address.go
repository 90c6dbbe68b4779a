package policy

import (
	"fmt"
	"strings"
	"unicode"
)

// CheckEmailAddress refuses what surely is an address with something beside it, or a part of one: brackets, quotes or a list that it was
// copied with, a letter that nobody sees, a dot too many. auth_id and config.yml may hold such an entry: there it lets nobody in, or keeps
// nobody out. What is left is not held to RFC 5322: a provider may know addresses that the RFC does not.
func CheckEmailAddress(s string) error {
	local, domain, _ := strings.Cut(s, "@")
	wrong := local == "" || local == "*" || unicode.In([]rune(s)[0], unicode.Quotation_Mark, unicode.Ps, unicode.Pi) || strings.ContainsAny(local, specials) || hasUnseen(s)
	for label := range strings.SplitSeq(domain, ".") {
		wrong = wrong || label == "" || strings.ContainsFunc(label, isNoneOfDomain)
	}
	if wrong {
		return fmt.Errorf("expected one whole email address and nothing else, such as alice@example.com, got %s", quoteShort(s))
	}
	return nil
}

// specials stand in a local part only where it is quoted (RFC 5322 §3.2.3), which no provider's is. Full-width ones are meant as the others.
const specials = `<>()[],;:"\` + "，；＜＞"

func isQuotationMark(r rune) bool { return unicode.Is(unicode.Quotation_Mark, r) }

// isNoneOfDomain: of ASCII a domain has letters, digits, hyphens and, against the rules, underscores. Of the rest it may have more than
// letters, such as the middle dot of Catalan (RFC 5892 §2.6).
func isNoneOfDomain(r rune) bool {
	if r <= unicode.MaxASCII {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
	}
	return isQuotationMark(r) || strings.ContainsRune(specials+stops, r) || unicode.In(r, unicode.Ps, unicode.Pe, unicode.Pi, unicode.Pf)
}

// stops end a sentence, or stand for the dot of a domain, in other scripts.
const stops = "。．｡、…"

// hasUnseen is whether there are blanks, controls, what is no UTF-8, or characters that nobody sees. Two of those are part of words: joiners
// shape the letters of scripts such as Persian and Malayalam, which stand around them (RFC 5892 appendix A).
func hasUnseen(s string) bool {
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case r == '\u200c' || r == '\u200d':
			if i == 0 || i+1 == len(runes) || !isJoined(runes[i-1]) || !isJoined(runes[i+1]) {
				return true
			}
		case unicode.IsSpace(r), unicode.In(r, unicode.Cc, unicode.Cf), r == unicode.ReplacementChar:
			return true
		}
	}
	return false
}

func isJoined(r rune) bool { return r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsMark(r)) }
