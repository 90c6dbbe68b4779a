// Package pktoken reads, makes and verifies PK tokens: an OpenID Connect ID token together with a second signature over
// the same payload, made with a key that the ID token commits to. Whoever verifies one knows that the provider
// authenticated the person who holds that key.
//
// The package does no input or output of its own. The caller passes the clock and the provider's keys in, and the result
// of a verification, [Verified], can be made in no other way.
package pktoken
