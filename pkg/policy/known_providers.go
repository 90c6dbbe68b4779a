package policy

import "slices"

// KnownProvider is a public OpenID provider with a client that hosts in the field already trust.
type KnownProvider struct {
	Aliases  []string // short names, the usual one first
	Issuer   string
	ClientID string
}

// KnownProviders are the presets, in the order in which people are offered them.
func KnownProviders() []KnownProvider {
	return []KnownProvider{
		{ //nolint:gosec // a client ID is no secret
			Aliases:  []string{"google"},
			Issuer:   "https://accounts.google.com",
			ClientID: "206584157355-7cbe4s640tvm7naoludob4ut1emii7sf.apps.googleusercontent.com",
		},
		{
			// The tenant of personal accounts.
			Aliases:  []string{"azure", "microsoft"},
			Issuer:   "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
			ClientID: "096ce0a3-5e72-4da8-9c86-12924b294a01",
		},
		{
			Aliases:  []string{"gitlab"},
			Issuer:   "https://gitlab.com",
			ClientID: "8d8b7024572c7fd501f64374dec6bba37096783dfcd792b3988104be08cb6923",
		},
		{
			Aliases:  []string{"hello"},
			Issuer:   "https://issuer.hello.coop",
			ClientID: "app_xejobTKEsDNSRd5vofKB2iay_2rN",
		},
	}
}

// FindKnownProvider looks a short name up. Names are compared exactly.
func FindKnownProvider(alias string) (p KnownProvider, ok bool) {
	for _, p := range KnownProviders() {
		if slices.Contains(p.Aliases, alias) {
			return p, true
		}
	}
	return KnownProvider{}, false
}
