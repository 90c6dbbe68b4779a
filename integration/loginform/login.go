// Package loginform logs in at an OpenID provider's own pages, as a person with a browser does.
package loginform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Page is the page at which a login ended: what the program on the loopback callback answered.
type Page struct {
	URL    string // with the code, or with the error
	Status int
	Body   string
}

// maxSteps is how many pages and redirects a login may take.
const maxSteps = 30

// maxPage is the size of the largest page that is read, in bytes.
const maxPage = 4 << 20

// Login opens authURL, logs in as user, agrees to everything that is asked, and returns the page of the redirect URI.
// A cookie jar in client is used, so that a second login can find the session of the first; without one the login has a jar of its own.
func Login(ctx context.Context, client *http.Client, authURL, user, password string) (*Page, error) {
	b, err := newBrowser(client)
	if err != nil {
		return nil, err
	}
	if err := b.expectCallback(authURL); err != nil {
		return nil, err
	}
	page, err := b.get(ctx, authURL)
	for tried := false; err == nil && !b.atCallback(page.url); {
		if strings.HasSuffix(page.url.Path, "/login.html") {
			page, err = b.loginREST(ctx, page, user, password)
			continue
		}
		page, err = b.fillIn(ctx, page, user, password, &tried)
	}
	if err != nil {
		return nil, err
	}
	return &page.Page, nil
}

// ApproveDevice opens the complete verification URI of a device authorization (RFC 8628, section 3.3.1), logs in as user, agrees to
// everything that is asked, and returns the last page, which asks for nothing more.
func ApproveDevice(ctx context.Context, client *http.Client, verificationURI, user, password string) (*Page, error) {
	b, err := newBrowser(client)
	if err != nil {
		return nil, err
	}
	page, err := b.get(ctx, verificationURI)
	for tried := false; err == nil; {
		if _, formErr := page.form(); errors.Is(formErr, errNoForm) {
			return &page.Page, nil
		}
		page, err = b.fillIn(ctx, page, user, password, &tried)
	}
	return nil, err
}

// Refuse opens authURL and follows the first page's link to give up. It returns the page of the redirect URI, whose URL has the error.
// The provider must have such a link: oidc-provider does.
func Refuse(ctx context.Context, client *http.Client, authURL string) (*Page, error) {
	return refuse(ctx, client, authURL, func(_ context.Context, _ *browser, page *response) (*response, error) { return page, nil })
}

// RefuseConsent logs in as user and then gives up, at the page that asks for consent.
func RefuseConsent(ctx context.Context, client *http.Client, authURL, user, password string) (*Page, error) {
	return refuse(ctx, client, authURL, func(ctx context.Context, b *browser, page *response) (*response, error) {
		return b.fillIn(ctx, page, user, password, new(bool))
	})
}

func refuse(
	ctx context.Context, client *http.Client, authURL string, login func(context.Context, *browser, *response) (*response, error),
) (*Page, error) {
	b, err := newBrowser(client)
	if err != nil {
		return nil, err
	}
	if err := b.expectCallback(authURL); err != nil {
		return nil, err
	}
	page, err := b.get(ctx, authURL)
	if err == nil {
		page, err = login(ctx, b, page)
	}
	var link string
	if err == nil {
		link, err = page.abortLink()
	}
	if err == nil {
		page, err = b.get(ctx, link)
	}
	if err != nil {
		return nil, err
	}
	if !b.atCallback(page.url) {
		return nil, fmt.Errorf("refuse: expected the callback, got %s", page.URL)
	}
	return &page.Page, nil
}

// browser is a client with cookies that follows redirects up to a page.
type browser struct {
	client   http.Client
	callback *url.URL // where a login ends; nil where it ends at the provider
	steps    int
}

func newBrowser(client *http.Client) (*browser, error) {
	b := &browser{client: *client}
	if b.client.Jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		b.client.Jar = jar
	}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b, nil
}

// expectCallback takes the redirect URI of an authorization request.
func (b *browser) expectCallback(authURL string) error {
	parsed, err := url.Parse(authURL)
	if err != nil {
		return err
	}
	redirectURI := parsed.Query().Get("redirect_uri")
	if redirectURI == "" {
		return fmt.Errorf("login: expected an authorization URL with redirect_uri, got %q", authURL)
	}
	b.callback, err = url.Parse(redirectURI)
	return err
}

// atCallback reports whether u is the redirect URI. Its query is the provider's answer.
func (b *browser) atCallback(u *url.URL) bool {
	return b.callback != nil && u.Scheme == b.callback.Scheme && u.Host == b.callback.Host && u.Path == b.callback.Path
}

// fillIn fills the page's form and submits it. A form that asks for the password again, after tried, has refused it.
func (b *browser) fillIn(ctx context.Context, page *response, user, password string, tried *bool) (*response, error) {
	f, err := page.form()
	if err != nil {
		return nil, err
	}
	if f.login(user, password) {
		if *tried {
			return nil, fmt.Errorf("login: %s refused the password of %q", page.url.Host, user)
		}
		*tried = true
	}
	return b.submit(ctx, page, f)
}

func (b *browser) get(ctx context.Context, target string) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	return b.do(req)
}

func (b *browser) submit(ctx context.Context, page *response, f form) (*response, error) {
	target, err := page.url.Parse(f.action)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(f.method, http.MethodPost) {
		target.RawQuery = f.values.Encode()
		return b.get(ctx, target.String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(f.values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

// do sends a request and follows redirects up to a page. The callback's page is one whatever its status.
func (b *browser) do(req *http.Request) (*response, error) {
	for ; b.steps < maxSteps; b.steps++ {
		resp, err := b.client.Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		page := &response{Page: Page{URL: req.URL.String(), Status: resp.StatusCode, Body: string(body)}, url: req.URL}
		if b.atCallback(page.url) {
			return page, nil
		}
		location, err := resp.Location()
		if errors.Is(err, http.ErrNoLocation) {
			if resp.StatusCode >= http.StatusBadRequest {
				return nil, fmt.Errorf("login: %s %s: expected a page, got %s\n%s", req.Method, page.URL, resp.Status, body)
			}
			return page, nil
		}
		if err != nil {
			return nil, err
		}
		if req, err = http.NewRequestWithContext(req.Context(), http.MethodGet, location.String(), nil); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("login: expected an end within %d steps", maxSteps)
}

// loginREST logs in at glewlwyd, whose login page is a JavaScript program that does the same.
func (b *browser) loginREST(ctx context.Context, page *response, user, password string) (*response, error) {
	query := page.url.Query()
	grant := "api/auth/grant/" + url.PathEscape(query.Get("client_id"))
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "api/auth/", map[string]string{"username": user, "password": password}},
		{http.MethodPut, grant, map[string]string{"scope": query.Get("scope")}},
	} {
		target, err := page.url.Parse(call.path)
		if err != nil {
			return nil, err
		}
		payload, err := json.Marshal(call.body)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, call.method, target.String(), bytes.NewReader(payload))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		if _, err := b.do(req); err != nil {
			return nil, err
		}
	}
	return b.get(ctx, query.Get("callback_url")+"&g_continue")
}
