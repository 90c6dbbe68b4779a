package login

import (
	"bytes"
	"context"
)

// idTokenVariable is an environment variable that holds an ID token. It stays as it is: it is the CI system's.
type idTokenVariable struct {
	getenv func(string) string
	name   string
}

// IDToken implements [IDTokenSource].
func (v idTokenVariable) IDToken(context.Context, string) ([]byte, error) {
	return bytes.TrimSpace([]byte(v.getenv(v.name))), nil
}
