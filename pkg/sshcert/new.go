package sshcert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
)

// MaxToken is the longest PK token that goes into a certificate, in bytes.
const MaxToken = 64 << 10

// MaxCertificate is the longest certificate, in bytes. sshd hands it to the verifier in base64 as one argument, for which Linux has
// room for 128 KiB with its end (execve(2)). A longer one sshd refuses, and logs the beginning of it.
const MaxCertificate = (128<<10 - 1) / 4 * 3

// TokenSizeError says that a PK token is longer than [MaxToken]: most often its ID token lists very many groups.
type TokenSizeError struct{ Size int }

// Error gives both sizes.
func (e *TokenSizeError) Error() string {
	return fmt.Sprintf("the PK token has %d bytes, and a certificate has room for %d", e.Size, MaxToken)
}

// Template is what the user chooses of a certificate.
type Template struct {
	Principals  []string  // none means [WildcardPrincipal]
	ValidBefore time.Time // zero means for ever
	AccessToken string    // "" means none
}

// New makes the certificate for a PK token, signed by the user's own key, which must be the key that the token names. The error is a
// *[TokenSizeError] where the token is too long.
func New(random io.Reader, user ssh.Signer, token *pktoken.Token, template Template) (*ssh.Certificate, error) {
	if size := len(token.Compact()); size > MaxToken {
		return nil, &TokenSizeError{Size: size}
	}
	tokenKey, err := token.UserKey()
	if err != nil {
		return nil, err
	}
	if same, err := equalKeys(user.PublicKey(), tokenKey); err != nil || !same {
		return nil, errors.Join(errors.New("the signer's key is not the one in the PK token"), err)
	}
	claims := token.UnverifiedClaims()
	keyID, _ := claims["email"].(string)
	if keyID == "" {
		keyID, _ = claims["sub"].(string)
	}
	principals := template.Principals
	if len(principals) == 0 {
		principals = []string{WildcardPrincipal}
	}
	if err := CheckPrincipals(principals); err != nil {
		return nil, err
	}
	cert := &ssh.Certificate{
		Key:             user.PublicKey(),
		CertType:        ssh.UserCert,
		KeyId:           keyID,
		ValidPrincipals: principals,
		ValidBefore:     ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{Extensions: map[string]string{
			"permit-X11-forwarding":   "",
			"permit-agent-forwarding": "",
			"permit-port-forwarding":  "",
			"permit-pty":              "",
			"permit-user-rc":          "",
			ExtensionPKToken:          token.Compact(),
		}},
	}
	if !template.ValidBefore.IsZero() {
		end := template.ValidBefore.Unix()
		if end < 0 {
			// A certificate's times are unsigned: this one would be far in the future.
			return nil, fmt.Errorf("expected an end after 1970, got %s", template.ValidBefore.UTC().Format(time.RFC3339))
		}
		cert.ValidBefore = uint64(end)
	}
	if template.AccessToken != "" {
		cert.Extensions[ExtensionAccessToken] = template.AccessToken
	}
	if err := cert.SignCert(random, user); err != nil {
		return nil, err
	}
	if size := len(cert.Marshal()); size > MaxCertificate {
		return nil, fmt.Errorf("the certificate has %d bytes, and sshd has room for %d: leave out the access token, or some principals", size, MaxCertificate)
	}
	return cert, nil
}

// equalKeys compares an SSH key with a key of package crypto by their wire format (RFC 4253 §6.6).
func equalKeys(key ssh.PublicKey, other any) (bool, error) {
	o, err := ssh.NewPublicKey(other)
	if err != nil {
		return false, err
	}
	return bytes.Equal(key.Marshal(), o.Marshal()), nil
}
