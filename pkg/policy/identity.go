package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"opkssh/pkg/pktoken"
)

// IdentityKind says what of a token an [Identity] is compared with.
type IdentityKind int

// The kinds of identity. The zero value matches nobody.
const (
	_ IdentityKind = iota
	// IdentityEmail: `email` equals Value, ASCII case-insensitively.
	IdentityEmail
	// IdentityEmailSuffix: `email` ends in Value and is longer, ASCII case-insensitively.
	IdentityEmailSuffix
	// IdentityClaim: the claim Claim equals Value or is an array holding it, see [pktoken.Verified.HasClaim].
	IdentityClaim
	// IdentitySubjectGlob: `sub` matches the pattern Value, see [path.Match], of a token with [pktoken.CommitmentAudience].
	IdentitySubjectGlob
	// IdentitySubject: `sub` equals Value.
	IdentitySubject
)

const (
	prefixClaim       = "oidc:"
	prefixEmailSuffix = "oidc-match-end:email:"
	prefixMatch       = "oidc-match-"
	prefixRepo        = "repo:"
)

// Identity is the second column of auth_id: whom a rule lets in.
type Identity struct {
	Kind  IdentityKind
	Claim string // for IdentityClaim alone
	Value string
}

// String gives the identity as auth_id spells it, without the quotes that a row may need.
func (i Identity) String() string {
	switch i.Kind {
	case IdentityClaim:
		return prefixClaim + joinClaim(i.Claim, i.Value)
	case IdentityEmailSuffix:
		return prefixEmailSuffix + i.Value
	}
	return i.Value
}

// parseIdentity reads the identity column.
func parseIdentity(s string) (Identity, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return Identity{}, errors.New("the identity is empty")
	case strings.HasPrefix(s, prefixClaim):
		claim, value, err := splitClaim(s[len(prefixClaim):])
		if err != nil {
			return Identity{}, fmt.Errorf("identity oidc: %w", err)
		}
		return Identity{Kind: IdentityClaim, Claim: claim, Value: value}, nil
	case strings.HasPrefix(s, prefixEmailSuffix):
		suffix := s[len(prefixEmailSuffix):]
		if len(suffix) < 2 || suffix[0] != '@' && suffix[0] != '.' {
			return Identity{}, fmt.Errorf("identity oidc-match-end: expected a suffix such as @example.com, got %s", quoteShort(suffix))
		}
		return Identity{Kind: IdentityEmailSuffix, Value: suffix}, nil
	case strings.HasPrefix(s, prefixRepo):
		return parseRepo(s)
	case hasPrefixFoldASCII(s, prefixClaim), hasPrefixFoldASCII(s, prefixMatch), hasPrefixFoldASCII(s, prefixRepo):
		return Identity{}, fmt.Errorf("identity: expected oidc:CLAIM:VALUE, oidc-match-end:email:SUFFIX or repo:…, got %s", quoteShort(s))
	case s == "*":
		return Identity{}, errors.New("the identity would match everybody")
	case strings.Contains(s, "@"):
		local, domain := s[:strings.LastIndexByte(s, '@')], s[strings.LastIndexByte(s, '@')+1:]
		if local == "" || domain == "" || local == "*" {
			return Identity{}, fmt.Errorf("identity: expected a whole email address (or oidc-match-end:email:@DOMAIN), got %s", quoteShort(s))
		}
		return Identity{Kind: IdentityEmail, Value: s}, nil
	}
	return Identity{Kind: IdentitySubject, Value: s}, nil
}

// parseRepo refuses a pattern whose owner is left open from its first letter on: anybody can have a repository somewhere. Whether
// the issuer's tokens are of jobs is up to the row of providers that accepts them.
func parseRepo(s string) (Identity, error) {
	if _, err := path.Match(s, ""); err != nil {
		return Identity{}, fmt.Errorf("identity repo: expected a pattern, got %s", quoteShort(s))
	}
	owner := s[len(prefixRepo):]
	if owner == "" || strings.IndexByte(`*?[\/`, owner[0]) >= 0 {
		return Identity{}, fmt.Errorf("identity repo: expected the name of an owner, got %s", quoteShort(s))
	}
	return Identity{Kind: IdentitySubjectGlob, Value: s}, nil
}

// matches compares the identity with what the token proves. An empty claim is nobody's identity.
func (i Identity) matches(v *pktoken.Verified) bool {
	if i.Value == "" {
		return false
	}
	switch i.Kind {
	case IdentityEmail:
		return equalFoldASCII(v.Email(), i.Value)
	case IdentityEmailSuffix:
		rest := len(v.Email()) - len(i.Value)
		return rest > 0 && equalFoldASCII(v.Email()[rest:], i.Value)
	case IdentityClaim:
		return i.Claim != "" && v.HasClaim(i.Claim, i.Value)
	case IdentitySubjectGlob:
		matched, err := path.Match(i.Value, v.Subject())
		return err == nil && matched && v.Provider().Commitment == pktoken.CommitmentAudience
	case IdentitySubject:
		return v.Subject() == i.Value
	}
	return false
}

// restsOnEmail is whether the match is worth no more than the provider's check of the address.
func (i Identity) restsOnEmail() bool {
	return i.Kind == IdentityEmail || i.Kind == IdentityEmailSuffix || i.Kind == IdentityClaim && i.Claim == "email"
}
