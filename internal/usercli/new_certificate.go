package usercli

import (
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// newCertificate is [sshcert.New] with a hint for a token that is too long.
func newCertificate(user ssh.Signer, token *pktoken.Token, template sshcert.Template) (*ssh.Certificate, error) {
	cert, err := sshcert.New(rand.Reader, user, token, template)
	if size := (*sshcert.TokenSizeError)(nil); errors.As(err, &size) {
		return nil, withHint(err, login.TooLargeHint)
	}
	return cert, err
}
