package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// logIn goes the way of `opkssh login`: new key, browser, ID token, certificate, files.
func (d *demo) logIn(ctx context.Context, user User) (*person, error) {
	key, err := userkeys.Generate(userkeys.ECDSA)
	if err != nil {
		return nil, err
	}
	client, err := pktoken.NewClientInstance(rand.Reader, key, nil)
	if err != nil {
		return nil, err
	}
	flow, err := d.flow(ctx, user)
	if err != nil {
		return nil, err
	}
	result, err := flow.Login(ctx, client)
	if err != nil {
		return nil, err
	}
	if got := result.Verified.Email(); got != user.Email {
		return nil, fmt.Errorf("expected a login as %s, got one as %s", user.Email, got)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, err
	}
	cert, err := sshcert.New(rand.Reader, signer, result.Token, sshcert.Template{})
	if err != nil {
		return nil, err
	}
	pair, err := userkeys.Choose(filepath.Join(d.folder, user.Name), userkeys.ECDSA)
	if err != nil {
		return nil, err
	}
	if err := pair.Write(key, cert); err != nil {
		return nil, err
	}
	file, err := filepath.Rel(d.folder, pair.Key)
	if err != nil {
		return nil, err
	}
	return &person{token: result.Token, key: key, file: file}, nil
}

// flow logs user in without a person, or asks for one.
func (d *demo) flow(ctx context.Context, user User) (*login.Flow, error) {
	provider, err := login.ParseProvider(d.provider.Issuer() + "," + clientID + ",,openid email groups")
	if err != nil {
		return nil, err
	}
	// The usual ports may all be taken, and the demo must not depend on them. Its provider takes any.
	spare, err := spareRedirectURI()
	if err != nil {
		return nil, err
	}
	provider.RedirectURIs = append(slices.Clone(provider.RedirectURIs), spare)
	cache := &idp.Cache{}
	flow := &login.Flow{Provider: provider, Discovery: cache, Keys: cache}
	if d.options.Browser {
		flow.OpenBrowser = login.Browser{Getenv: os.Getenv}.Open
		flow.ShowURL = func(url string) {
			d.text(fmt.Sprintf("   >> In your browser, log in with the name %s and the password %s", user.Name, user.Password))
			d.text("   >> If no browser opens, open this page yourself:")
			d.text(url)
		}
		return flow, nil
	}
	flow.OpenBrowser = func(url string) error {
		return FillLoginForm(ctx, nil, url, user.Name, user.Password)
	}
	return flow, nil
}

func spareRedirectURI() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("http://%s/login-callback", listener.Addr()), listener.Close()
}
