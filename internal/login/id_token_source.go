package login

import "context"

// IDTokenSource gets an ID token from whatever runs this program: a CI system, a cluster, a cloud.
type IDTokenSource interface {
	// IDToken returns a JWT in compact form, in a buffer that the caller may overwrite. A source that can choose the token's
	// audience chooses commitment. Errors are [*Error] and hold no token.
	IDToken(ctx context.Context, commitment string) (jwt []byte, err error)
}
