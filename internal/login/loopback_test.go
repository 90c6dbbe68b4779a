package login_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"opkssh/internal/login"
)

func take(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

func TestFirstFreePort(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(newBrowser())
	take(t, portOf(t, flow.Provider.RedirectURIs[0]))
	want := flow.Provider.RedirectURIs[1]
	if hasIPv6() {
		// Half of a port is none: the browser could end up at the other program.
		take(t, strings.Replace(portOf(t, flow.Provider.RedirectURIs[1]), "127.0.0.1", "[::1]", 1))
		want = flow.Provider.RedirectURIs[2]
	}
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"authorization request": op.authorization.Get("redirect_uri"),
		"token request":         op.tokenForm.Get("redirect_uri"),
	} {
		if got != want {
			t.Errorf("%s: expected %s, got %s", name, want, got)
		}
	}
}

func TestAllPortsBusy(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(newBrowser())
	for _, uri := range flow.Provider.RedirectURIs {
		take(t, portOf(t, uri))
	}
	_, err := flow.Login(t.Context(), newClient(t))
	e := endedWith(t, err, login.CodePortBusy)
	for _, uri := range flow.Provider.RedirectURIs {
		if !strings.Contains(e.Error(), uri) {
			t.Errorf("%s is not named in %v", uri, e)
		}
	}
	if e.Hint == "" || strings.Contains(e.Error(), "\n") {
		t.Errorf("expected one line and a hint, got %q, %q", e.Error(), e.Hint)
	}
}

// An address in the place of localhost is listened on alone, and sent as it was configured.
func TestRedirectURIWithAddress(t *testing.T) {
	hosts := []string{"127.0.0.1"}
	if hasIPv6() {
		hosts = append(hosts, "[::1]")
	}
	for _, host := range hosts {
		for _, path := range []string{"", "/", "/a/b%20c"} {
			op := newOpenIDProvider(t)
			flow := op.flow(newBrowser())
			uri := "http://" + host + ":" + freePort(t) + path
			flow.Provider.RedirectURIs = []string{uri}
			if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
				t.Errorf("%s: %v", uri, err)
			}
			if got := op.authorization.Get("redirect_uri"); got != uri {
				t.Errorf("expected %s, got %s", uri, got)
			}
		}
	}
}

// Something at the remote redirect URI forwards to this computer, and may keep its own name in Host.
func TestRemoteRedirectURI(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(nil)
	flow.Provider.RemoteRedirectURI = "https://dev.example.com/forward"
	local, err := url.Parse(flow.Provider.RedirectURIs[0])
	if err != nil {
		t.Fatal(err)
	}
	flow.OpenBrowser = func(authorizationURL string) error {
		direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := direct.Get(authorizationURL)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		to, err := answer.Location()
		if err != nil {
			return err
		}
		if to.Host != "dev.example.com" || to.Path != "/forward" {
			t.Errorf("sent to %s", to)
		}
		local.RawQuery = to.RawQuery
		if page := get(t, http.MethodGet, local.String(), "dev.example.com"); page.status != http.StatusOK {
			t.Errorf("page: %+v", page)
		}
		return nil
	}
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	if got := op.tokenForm.Get("redirect_uri"); got != flow.Provider.RemoteRedirectURI {
		t.Errorf("token request: expected %s, got %s", flow.Provider.RemoteRedirectURI, got)
	}
}
