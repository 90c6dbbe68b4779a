package provider

import (
	"testing"

	"opkssh/internal/demo"
)

// startZitadel serves the demo's provider, which is zitadel/oidc's op package, in this process.
func startZitadel(t testing.TB, p *Provider, o options) {
	t.Helper()
	users := make([]demo.User, len(o.users))
	for i, u := range o.users {
		users[i] = demo.User{
			Name: u.Name, Password: u.Password, Subject: u.Subject, Email: u.Email, EmailVerified: u.EmailVerified, Groups: u.Groups,
		}
	}
	provider, err := demo.NewProvider(demo.ProviderConfig{
		Issuer: p.Issuer, ClientID: clientID, Users: users, RedirectURIs: o.redirectURIs, IDTokenLifetime: o.idTokenLifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.front.serve(provider)
	p.rotate = func(t testing.TB) {
		t.Helper()
		if err := provider.RotateKey(); err != nil {
			t.Fatal(err)
		}
	}
}
