package login

import "opkssh/pkg/pktoken"

// Result is a login that worked.
type Result struct {
	Token    *pktoken.Token    // the PK token
	Verified *pktoken.Verified // what it proves, as a host sees it whose row for the provider is Verified.Provider

	AccessToken  string // as the token endpoint gave it
	TokenType    string // of the access token: Bearer, or DPoP where it is of no use without the user's key (RFC 9449 §5)
	RefreshToken string // "" if the provider gave none
}
