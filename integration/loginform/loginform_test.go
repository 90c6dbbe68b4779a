package loginform_test

import (
	"net/http"
	"net/http/cookiejar"
	"testing"

	"opkssh/integration/loginform"
	"opkssh/integration/provider"
	"opkssh/integration/relyingparty"
)

func start(t *testing.T, kind provider.Kind) (*provider.Provider, *relyingparty.Client) {
	t.Helper()
	callback := relyingparty.Listen(t)
	p := provider.Start(t, kind, provider.WithRedirectURI(callback.RedirectURI))
	return p, relyingparty.New(t, p, callback)
}

func TestWrongPassword(t *testing.T) {
	// oidc-provider's own pages take any password.
	for _, kind := range []provider.Kind{provider.Zitadel, provider.Glewlwyd} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, kind)
			page, err := loginform.Login(t.Context(), c.HTTP, c.Begin("nonce").URL, "alice", p.User(t, "bob").Password)
			if err == nil {
				t.Errorf("expected no login, got %s", page.URL)
			}
		})
	}
}

func TestUnknownUser(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			_, c := start(t, kind)
			page, err := loginform.Login(t.Context(), c.HTTP, c.Begin("nonce").URL, "mallory", "alice-password")
			if err == nil {
				t.Errorf("expected no login, got %s", page.URL)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	_, c := start(t, provider.OIDCProvider)
	for name, refuse := range map[string]func(authURL string) (*loginform.Page, error){
		"login": func(authURL string) (*loginform.Page, error) {
			return loginform.Refuse(t.Context(), c.HTTP, authURL)
		},
		"consent": func(authURL string) (*loginform.Page, error) {
			return loginform.RefuseConsent(t.Context(), c.HTTP, authURL, "alice", "any")
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := c.Begin("nonce")
			page, err := refuse(request.URL)
			if err != nil {
				t.Fatal(err)
			}
			if page.Status != http.StatusOK || page.Body != relyingparty.Greeting {
				t.Errorf("expected the callback's page, got %+v", page)
			}
			query := c.Callback.Wait(t)
			if query.Get("error") != "access_denied" || query.Get("state") != request.State || query.Has("code") {
				t.Errorf("expected error access_denied, got %v", query)
			}
		})
	}
}

func TestSecondLoginWithCookies(t *testing.T) {
	p, c := start(t, provider.OIDCProvider)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.Jar = jar
	c.Login(t, p.User(t, "alice"), "nonce-1")
	// The session is alice's, so nobody is asked for a name.
	_, idToken := c.Login(t, p.User(t, "bob"), "nonce-2")
	if idToken.Subject != "alice" || idToken.Nonce != "nonce-2" {
		t.Errorf("expected alice with the second nonce, got %+v", idToken)
	}
}

func TestApproveDevice(t *testing.T) {
	p, c := start(t, provider.OIDCProvider)
	alice := p.User(t, "alice")
	device, err := c.Config.DeviceAuth(c.Context(t))
	if err != nil {
		t.Fatal(err)
	}

	page, err := loginform.ApproveDevice(t.Context(), c.HTTP, device.VerificationURIComplete, alice.Name, alice.Password)
	if err != nil {
		t.Fatal(err)
	}

	if page.Status != http.StatusOK {
		t.Errorf("expected a last page, got %+v", page)
	}
	device.Interval = 1
	token, err := c.Config.DeviceAccessToken(c.Context(t), device)
	if err != nil {
		t.Fatal(err)
	}
	if idToken := c.Verify(t, token); idToken.Subject != alice.Subject || idToken.Nonce != "" {
		t.Errorf("expected alice's token without a nonce, got %+v", idToken)
	}
	if got := p.Requests().Device; got != 1 {
		t.Errorf("expected one device authorization request, got %d", got)
	}
}

func TestChromium(t *testing.T) {
	p, c := start(t, provider.OIDCProvider)
	alice := p.User(t, "alice")
	request := c.Begin("nonce-of-alice")

	page := loginform.Chromium(t, request.URL, alice.Name, alice.Password)

	if page.Body != relyingparty.Greeting {
		t.Errorf("expected the callback's page, got %+v", page)
	}
	_, idToken := c.Finish(t, request)
	if idToken.Subject != alice.Subject || idToken.Nonce != "nonce-of-alice" {
		t.Errorf("expected alice's token, got %+v", idToken)
	}
}
