package policy

import (
	"fmt"
	"strings"
)

// splitClaim reads CLAIM:VALUE. CLAIM ends at the first colon, and VALUE is all that follows. A CLAIM that is itself a URI is
// in double quotes; where the shell quoting of a row has eaten those, a CLAIM with http:// or https:// ends at the last colon.
func splitClaim(s string) (claim, value string, err error) {
	scheme := ""
	for _, p := range []string{"http://", "https://"} {
		if strings.HasPrefix(s, p) {
			scheme = p
		}
	}
	separated := false
	switch {
	case strings.HasPrefix(s, `"`):
		claim, value, separated = strings.Cut(s[1:], `":`)
	case scheme != "":
		if i := strings.LastIndexByte(s, ':'); i > len(scheme) {
			claim, value, separated = s[:i], s[i+1:], true
		}
	default:
		claim, value, separated = strings.Cut(s, ":")
	}
	if !separated || strings.TrimSpace(claim) == "" || strings.TrimSpace(value) == "" {
		return "", "", fmt.Errorf("expected CLAIM:VALUE, got %s", quoteShort(s))
	}
	return claim, value, nil
}

// joinClaim writes what splitClaim reads back.
func joinClaim(claim, value string) string {
	if strings.Contains(claim, ":") || strings.HasPrefix(claim, `"`) {
		claim = `"` + claim + `"`
	}
	return claim + ":" + value
}
