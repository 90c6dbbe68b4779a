package login_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"opkssh/internal/login"
)

const nobody = 65534

// dialAsNobody connects by a socket of another user.
func dialAsNobody(network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(nobody); err != nil {
		return nil, err
	}
	defer func() { _ = unix.Setfsuid(0) }()
	return net.Dial(network, address)
}

// newNobodysBrowser is what another user has who has read the address in an argument list.
func newNobodysBrowser(t *testing.T) *browser {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	b := newBrowser()
	b.dial = func(_ context.Context, network, address string) (net.Conn, error) {
		return dialAsNobody(network, address)
	}
	return b
}

// answerAndVanish sends another user's answer without a wait for the page: with a reset its socket is gone at once.
func answerAndVanish(authorizationURL string, reset bool) error {
	u, err := url.Parse(authorizationURL)
	if err != nil {
		return err
	}
	back, err := url.Parse(u.Query().Get("redirect_uri"))
	if err != nil {
		return err
	}
	conn, err := dialAsNobody("tcp", "127.0.0.1:"+back.Port())
	if err != nil {
		return err
	}
	if reset {
		err = conn.(*net.TCPConn).SetLinger(0)
	}
	_, sent := conn.Write([]byte("GET " + back.Path + "?code=theirs&state=" + u.Query().Get("state") + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	return errors.Join(err, sent, conn.Close())
}

// Another user of the computer logs in with the address of our login, or takes the code there by hand and leaves no trace. The answer is
// not taken, and the person's own is.
func TestAnswersOfOtherUsers(t *testing.T) {
	op := newOpenIDProvider(t)
	own, other := newBrowser(), newNobodysBrowser(t)
	flow := op.flow(nil)
	flow.OpenBrowser = func(authorizationURL string) error {
		if err := other.open(authorizationURL); err != nil {
			return err
		}
		if page := <-other.page; page.err != nil || page.status != http.StatusForbidden || !strings.Contains(page.body, "Another user") {
			t.Errorf("another user's page: %+v", page)
		}
		for i := range 40 {
			if err := answerAndVanish(authorizationURL, i%2 == 0); err != nil {
				t.Error(err)
			}
		}
		return own.open(authorizationURL)
	}
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	if page := <-own.page; page.status != http.StatusOK {
		t.Errorf("the person's page: %+v", page)
	}
}

// What forwards a remote redirect URI may be any user's.
func TestRemoteAnswersOfOtherUsers(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.flow(newNobodysBrowser(t))
	flow.Provider.RemoteRedirectURI = flow.Provider.RedirectURIs[0]
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
}

func TestChooserPageForOtherUsers(t *testing.T) {
	c, err := login.OpenChooserPage(twoProviders())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(nil)
	c.Leave() // so that nobody who chooses waits
	for _, path := range []string{"", "0"} {
		other := newNobodysBrowser(t)
		if err := other.open(c.URL() + path); err != nil {
			t.Fatal(err)
		}
		if page := <-other.page; page.err != nil || page.status != http.StatusForbidden || strings.Contains(page.body, "sso.example.com") {
			t.Errorf("page %q: %+v", path, page)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Chosen(ctx)
	wantCode(t, err, login.CodeCanceled)
}
