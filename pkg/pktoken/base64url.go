package pktoken

import (
	"encoding/base64"
	"errors"
	"strings"
)

var base64url = base64.RawURLEncoding.Strict()

// decodeBase64 is base64url without padding (RFC 7515 §2). encoding/base64 passes over CR and LF, so they are looked for here.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("base64url with a line break")
	}
	return base64url.DecodeString(s)
}
