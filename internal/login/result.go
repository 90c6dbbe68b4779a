package login

import "opkssh/pkg/pktoken"

// Result is a login that worked.
type Result struct {
	Token    *pktoken.Token    // the PK token
	Verified *pktoken.Verified // what it proves, as a host with this provider would see it

	AccessToken  string // as the token endpoint gave it
	RefreshToken string // "" if the provider gave none
}
