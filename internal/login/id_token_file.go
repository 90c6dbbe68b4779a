package login

import (
	"bytes"
	"context"
	"io"
	"os"
)

// IDTokenFile is a file that holds an ID token and nothing else, as a cluster mounts one into a container. The file stays as it is.
type IDTokenFile struct {
	Name string
	// Stdin is read where Name is "-".
	Stdin io.Reader
}

// IDToken implements [IDTokenSource].
func (f IDTokenFile) IDToken(context.Context, string) ([]byte, error) {
	from := f.Stdin
	if f.Name != "-" {
		file, err := os.Open(f.Name)
		if err != nil {
			return nil, &Error{Code: CodeIDTokenSource, Detail: "ID token file", Err: err}
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	data, err := readSecret(from)
	if err != nil {
		return nil, &Error{Code: CodeIDTokenSource, Detail: "ID token file " + f.Name, Err: err}
	}
	jwt := bytes.TrimSpace(data)
	if len(jwt) == 0 {
		return nil, &Error{Code: CodeIDTokenSource, Detail: "ID token file " + f.Name + " is empty"}
	}
	return jwt, nil
}
