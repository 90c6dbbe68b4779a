// Package sshcert carries a PK token inside an OpenSSH user certificate, and formats the authorized_keys line that makes sshd
// trust such a certificate's own signer.
//
// Every field of a certificate outside the PK token is chosen by whoever presents it. [Certificate.Check] holds those fields
// against a PK token that was verified.
package sshcert

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
)

const (
	// ExtensionPKToken is the certificate extension that holds the compact PK token.
	ExtensionPKToken = "openpubkey-pkt"
	// ExtensionAccessToken is the certificate extension that holds an access token, where the user asked for that.
	ExtensionAccessToken = "openpubkey-act"
	// WildcardPrincipal stands for every user name: OpenSSH 10.3 and later refuse an empty list of principals.
	WildcardPrincipal = "opkssh-wildcard"
	// Comment marks a certificate file as one that login wrote.
	Comment = "openpubkey"
)

// ErrNotOurs is the answer to a key that is not a certificate, or to a certificate without a PK token.
var ErrNotOurs = errors.New("not a certificate with a PK token")

// Certificate is an SSH certificate that has a PK token. Nothing in it is verified yet.
type Certificate struct {
	ssh *ssh.Certificate
}

// FromKey takes a key as a client offers it. The error is [ErrNotOurs] or nil.
func FromKey(key ssh.PublicKey) (*Certificate, error) {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, ErrNotOurs
	}
	if _, ok := cert.Extensions[ExtensionPKToken]; !ok {
		return nil, ErrNotOurs
	}
	return &Certificate{ssh: cert}, nil
}

// ParseLine reads a certificate file: type, base64 and comment on one line (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
func ParseLine(line []byte) (c *Certificate, comment string, err error) {
	key, comment, options, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", err
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", errors.New("expected one certificate and nothing else")
	}
	c, err = FromKey(key)
	return c, comment, err
}

// SSH is the certificate itself.
func (c *Certificate) SSH() *ssh.Certificate { return c.ssh }

// PKToken parses the token in the certificate. Errors are [*pktoken.RejectError].
func (c *Certificate) PKToken() (*pktoken.Token, error) {
	return pktoken.Parse(c.ssh.Extensions[ExtensionPKToken])
}

// AccessToken is the access token in the certificate, or "". It is a secret: it must not be logged.
func (c *Certificate) AccessToken() string {
	return c.ssh.Extensions[ExtensionAccessToken]
}

// MarshalLine is the content of a certificate file, with the line's end.
func MarshalLine(cert *ssh.Certificate, comment string) []byte {
	line := bytes.TrimSuffix(ssh.MarshalAuthorizedKey(cert), []byte("\n"))
	return append(append(append(line, ' '), comment...), '\n')
}
