// Package login gets an ID token that commits to a user's key. It holds the client's configuration (providers, their presets)
// and the authorization code flow with PKCE in the person's browser (OpenID Connect Core §3.1, RFC 7636, RFC 8252).
// Where there is no browser the answer is pasted, or a code is entered elsewhere (RFC 8628). Providers with OpenID Connect Key
// Binding put the key itself into the ID token (RFC 9449).
//
// Whatever the provider and the browser send is untrusted. The token is bound to the key and verified with
// [pktoken.Verifier], as a host does it, before anybody gets to see it. Authorization codes, tokens and PKCE verifiers never
// stand in an error.
package login
