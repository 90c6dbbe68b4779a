package login_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/internal/login"
)

// carrier is a person who opens the page elsewhere and carries back what change makes of the address on which it ended.
type carrier struct {
	t        *testing.T
	page     string // the authorization URL
	changes  []func(address string) string
	problems []string // what was wrong, each time that the person was asked
}

func (c *carrier) paste(_ context.Context, problem string) (string, error) {
	c.problems = append(c.problems, problem)
	if len(c.problems) > len(c.changes) {
		return "", io.EOF
	}
	return c.changes[len(c.problems)-1](finalAddress(c.t, c.page)), nil
}

// finalAddress is what the provider sends the browser to, where nothing answers.
func finalAddress(t *testing.T, page string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(page)
	if err != nil {
		t.Error(err)
		return ""
	}
	_ = answer.Body.Close()
	return answer.Header.Get("Location")
}

// pasteFlow logs in by c alone: all ports are taken.
func (p *openIDProvider) pasteFlow(c *carrier) *login.Flow {
	p.t.Helper()
	flow := p.flow(nil)
	for _, uri := range flow.Provider.RedirectURIs {
		l, err := net.Listen("tcp", portOf(p.t, uri))
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = l.Close() })
	}
	flow.Kind = login.FlowPaste
	flow.OpenBrowser = func(string) error { p.t.Error("a browser was opened"); return nil }
	flow.ShowURL = func(url string) { c.page = url }
	flow.Paste = c.paste
	return flow
}

func same(address string) string { return address }

func TestPaste(t *testing.T) {
	parameter := func(name string) func(string) string {
		return func(address string) string {
			u, err := url.Parse(address)
			if err != nil {
				t.Error(err)
			}
			return u.Query().Get(name)
		}
	}
	for name, change := range map[string]func(string) string{
		"address":              same,
		"with a line end":      func(a string) string { return " " + a + "\r\n" },
		"in quotes":            func(a string) string { return `"` + a + `"` },
		"without scheme":       func(a string) string { return strings.TrimPrefix(a, "http://") },
		"with a fragment":      func(a string) string { return a + "#_=_" },
		"query":                func(a string) string { return a[strings.Index(a, "?"):] },
		"query without ?":      func(a string) string { return a[strings.Index(a, "?")+1:] },
		"host in capitals":     func(a string) string { return strings.Replace(a, "localhost", "LOCALHOST", 1) },
		"code":                 parameter("code"),
		"code with a line end": func(a string) string { return parameter("code")(a) + "\n" },
		"code as it is escaped": func(a string) string {
			return strings.ReplaceAll(parameter("code")(a), "-", "%2D")
		},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			c := &carrier{t: t, changes: []func(string) string{change}}
			flow, client := op.pasteFlow(c), newClient(t)
			flow.ShowRedirect = func(string) { t.Error("it listens where all ports are taken") }
			result, err := flow.Login(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if result.Verified.Email() != "alice@example.com" {
				t.Errorf("got %s", result.Verified.Email())
			}
			checkAuthorizationRequest(t, op.authorization, flow.Provider, client)
		})
	}
}

// Text that is no answer is asked for again, with the reason.
func TestPasteAgain(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"nothing":             func(string) string { return " \n" },
		"a sentence":          func(string) string { return "it does not work" },
		"too long":            func(a string) string { return a + strings.Repeat("x", login.MaxPasted) },
		"another page":        func(string) string { return "https://op.example.com/authorize?state=a&code=b" },
		"another port":        func(a string) string { return strings.Replace(a, "localhost:", "localhost:1", 1) },
		"another path":        func(a string) string { return strings.Replace(a, "/login-callback", "/login", 1) },
		"another scheme":      func(a string) string { return strings.Replace(a, "http:", "https:", 1) },
		"start of an address": func(a string) string { return a[:strings.Index(a, "state=")] },
		"without code":        func(a string) string { return strings.Replace(a, "code=", "cod=", 1) },
		"broken query":        func(a string) string { return a + "&x=%zz" },
		"control characters":  func(a string) string { return a + "\x1b[200~" },
		"two lines":           func(a string) string { return a[:40] + "\n" + a[40:] },
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			c := &carrier{t: t, changes: []func(string) string{change, change, same}}
			if _, err := op.pasteFlow(c).Login(t.Context(), newClient(t)); err != nil {
				t.Fatal(err)
			}
			if len(c.problems) != 3 || c.problems[0] != "" || c.problems[1] == "" || c.problems[2] == "" {
				t.Errorf("asked with %q", c.problems)
			}
		})
	}
}

// What ends a login in the browser ends it here.
func TestPasteEndings(t *testing.T) {
	change := func(f func(url.Values)) func(string) string {
		return func(address string) string {
			u, err := url.Parse(address)
			if err != nil {
				t.Error(err)
			}
			q := u.Query()
			f(q)
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		want   login.Code
	}{
		"wrong state": {change(func(q url.Values) { q.Set("state", "x") }), login.CodeState},
		"empty state": {change(func(q url.Values) { q.Set("state", "") }), login.CodeState},
		"two states":  {change(func(q url.Values) { q.Add("state", "x") }), login.CodeState},
		"two codes":   {change(func(q url.Values) { q.Add("code", "x") }), login.CodeProvider},
		"wrong iss":   {change(func(q url.Values) { q.Set("iss", "https://other.example.com") }), login.CodeIssuer},
		"refused":     {change(func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }), login.CodeRefused},
		"wrong code":  {func(string) string { return "another" }, login.CodeTokenEndpoint},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			carrier := &carrier{t: t, changes: []func(string) string{c.change, same}}
			_, err := op.pasteFlow(carrier).Login(t.Context(), newClient(t))
			e := endedWith(t, err, c.want)
			if len(carrier.problems) != 1 {
				t.Errorf("asked again with %q", carrier.problems)
			}
			if strings.Contains(e.Error(), "hush") {
				t.Errorf("a secret in %v", e)
			}
		})
	}
}

// Somebody who gets a person to paste a code of another login gets nowhere: it was made for another PKCE verifier, and if the
// provider did not care, its ID token would commit to another key.
func TestPastedCodeOfAnotherLogin(t *testing.T) {
	for name, careless := range map[string]bool{"PKCE": false, "nonce": true} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			c := &carrier{t: t, changes: []func(string) string{func(string) string {
				mallory := &carrier{t: t, changes: []func(string) string{same}}
				flow := op.pasteFlow(mallory)
				flow.Provider.RedirectURIs = []string{op.authorization.Get("redirect_uri")}
				flow.Paste = func(context.Context, string) (string, error) {
					finalAddress(t, mallory.page)
					return "", io.EOF
				}
				_, _ = flow.Login(t.Context(), newClient(t))
				return "hush-code"
			}}}
			want := login.CodeTokenEndpoint
			if careless {
				want = login.CodeIDToken
				op.token = func(w http.ResponseWriter, _ *http.Request) bool {
					jwt := op.issuer.IDToken(t, map[string]any{"nonce": op.authorization.Get("nonce")})
					answerJSON(w, 200, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": jwt})
					return true
				}
			}
			_, err := op.pasteFlow(c).Login(t.Context(), newClient(t))
			wantCode(t, err, want)
		})
	}
}

// A port that was forwarded brings the browser to the loopback page while the person is still asked.
func TestPasteOrLoopback(t *testing.T) {
	for name, input := range map[string]func(ctx context.Context) error{
		"while somebody is asked": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"without anybody to ask":  func(context.Context) error { return io.EOF },
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			flow, b, redirect, released := op.flow(nil), newBrowser(), "", false
			flow.Kind = login.FlowPaste
			flow.ShowRedirect = func(uri string) { redirect = uri }
			flow.ShowURL = func(url string) { go func() { _ = b.open(url) }() }
			flow.Paste = func(ctx context.Context, _ string) (string, error) {
				err := input(ctx)
				released = true
				return "", err
			}
			if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
				t.Fatal(err)
			}
			if page := <-b.page; page.status != http.StatusOK {
				t.Errorf("page: %+v", page)
			}
			if redirect != flow.Provider.RedirectURIs[0] {
				t.Errorf("expected to be told %s, got %q", flow.Provider.RedirectURIs[0], redirect)
			}
			if !released {
				t.Error("Login ended before the reading did")
			}
		})
	}
}

func TestPasteInput(t *testing.T) {
	op := newOpenIDProvider(t)
	_, err := op.pasteFlow(&carrier{t: t}).Login(t.Context(), newClient(t))
	wantMessage(t, op, "paste-end-of-input", endedWith(t, err, login.CodePaste))

	flow := op.pasteFlow(&carrier{t: t})
	flow.Paste = func(context.Context, string) (string, error) { return "", errors.New("input/output error") }
	_, err = flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodePaste)

	flow = op.flow(nil) // with a port: Ctrl-C ends the login all the same
	flow.Kind = login.FlowPaste
	flow.Paste = func(context.Context, string) (string, error) { return "", &login.Error{Code: login.CodeCanceled} }
	_, err = flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeCanceled)
}

// What is sent to the provider in the place of the loopback page is also where the browser ends.
func TestPasteRemoteRedirectURI(t *testing.T) {
	op := newOpenIDProvider(t)
	c := &carrier{t: t, changes: []func(string) string{
		func(a string) string {
			return strings.Replace(a, "https://forward.example.com/cb", "http://localhost:3000/login-callback", 1)
		},
		same,
	}}
	flow := op.pasteFlow(c)
	flow.Provider.RemoteRedirectURI = "https://forward.example.com/cb"
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	if len(c.problems) != 2 {
		t.Errorf("asked with %q", c.problems)
	}

	// Nobody has to forward a port for it.
	flow = op.flow(nil)
	flow.Kind, flow.Provider.RemoteRedirectURI = login.FlowPaste, "https://forward.example.com/cb"
	again := &carrier{t: t, changes: []func(string) string{same}}
	flow.ShowURL, flow.Paste = func(url string) { again.page = url }, again.paste
	flow.ShowRedirect = func(uri string) { t.Errorf("told %s", uri) }
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
}

// Browsers leave out what goes without saying.
func TestPastedDefaultPort(t *testing.T) {
	for redirectURI, pasted := range map[string]string{
		"http://localhost:80":         "http://localhost/?code=a&state=b",
		"https://login.example.com":   "https://login.example.com:443/?code=a&state=b",
		"https://login.example.com:1": "login.example.com:1?code=a&state=b",
	} {
		u, err := url.Parse(redirectURI)
		if err != nil {
			t.Fatal(err)
		}
		if query, _, err := login.ParsePasted(pasted, u); err != nil || query.Get("code") != "a" {
			t.Errorf("%s for %s: got %v, %v", pasted, redirectURI, query, err)
		}
	}
	u, err := url.Parse("http://localhost:80/cb")
	if err != nil {
		t.Fatal(err)
	}
	if query, code, err := login.ParsePasted("https://localhost/cb?code=a&state=b", u); err == nil {
		t.Errorf("got %v, %q", query, code)
	}
}

func FuzzParsePasted(f *testing.F) {
	redirect, err := url.Parse("http://localhost:3000/login-callback")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "code", "4%2F0AX", "http://localhost:3000/login-callback?code=a&state=b", "localhost:3000/login-callback?state=b&error=x",
		"?code=a&state=b", "http://localhost:3000.example.com/login-callback?code=a&state=b", "://", "http://[::1", "code=%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var query url.Values
		var code string
		var err error
		allocation.Check(t, len(text), func() { query, code, err = login.ParsePasted(text, redirect) })
		switch {
		case err != nil:
			if query != nil || code != "" {
				t.Errorf("an error with %v and %q", query, code)
			}
		case query == nil && code == "":
			t.Error("neither error nor answer")
		case query != nil && (code != "" || !query.Has("state")):
			t.Errorf("%v with code %q", query, code)
		}
	})
}
