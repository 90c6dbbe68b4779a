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

// MaxToken is the longest PK token that goes into a certificate, in bytes. sshd hands the certificate to the verifier as one
// argument, for which Linux has room for 128 KiB.
const MaxToken = 64 << 10

// Template is what the user chooses of a certificate.
type Template struct {
	Principals  []string  // none means [WildcardPrincipal]
	ValidBefore time.Time // zero means for ever
	AccessToken string    // "" means none
}

// New makes the certificate for a PK token, signed by the user's own key, which must be the key that the token names.
func New(random io.Reader, user ssh.Signer, token *pktoken.Token, template Template) (*ssh.Certificate, error) {
	if size := len(token.Compact()); size > MaxToken {
		return nil, fmt.Errorf("the PK token has %d bytes, and a certificate has room for %d: does the ID token list very many groups?", size, MaxToken)
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
		cert.ValidBefore = uint64(template.ValidBefore.Unix())
	}
	if template.AccessToken != "" {
		cert.Extensions[ExtensionAccessToken] = template.AccessToken
	}
	return cert, cert.SignCert(random, user)
}

// equalKeys compares an SSH key with a key of package crypto by their wire format (RFC 4253 §6.6).
func equalKeys(key ssh.PublicKey, other any) (bool, error) {
	o, err := ssh.NewPublicKey(other)
	if err != nil {
		return false, err
	}
	return bytes.Equal(key.Marshal(), o.Marshal()), nil
}
