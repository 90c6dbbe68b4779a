package policy

import (
	"fmt"
	"strings"
)

// unknownName is the error for a name that is not among known. It suggests the nearest one, or lists them all.
func unknownName(what, name string, known []string) error {
	if nearest := nearestName(name, known...); nearest != "" {
		return fmt.Errorf("unknown %s %s, did you mean %s", what, quoteShort(name), nearest)
	}
	return fmt.Errorf("unknown %s %s, expected %s", what, quoteShort(name), strings.Join(known, ", "))
}

// nearestName is the one of known that name could be with a typing error in it, or "".
func nearestName(name string, known ...string) string {
	nearest, distance := "", len(name)/2+1
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			nearest, distance = k, d
		}
	}
	return nearest
}

// editDistance is the Levenshtein distance in bytes. A name that no known one could be near to is not measured.
func editDistance(a, b string) int {
	const most = 64
	if len(a) > most {
		return len(a)
	}
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			substitution := previous[j]
			if lowerASCII(a[i]) != lowerASCII(b[j]) {
				substitution++
			}
			current[j+1] = min(substitution, previous[j+1]+1, current[j]+1)
		}
		previous = current
	}
	return previous[len(b)]
}
