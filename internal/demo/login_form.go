package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// FillLoginForm does what a person with a browser does: it opens a [Provider]'s authorization URL, fills in the form, submits
// it, and follows the redirects up to the page of the program that asked. transport nil is http.DefaultTransport.
func FillLoginForm(ctx context.Context, transport http.RoundTripper, authorizationURL, name, password string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Transport: transport, Jar: jar, Timeout: time.Minute}
	page, err := open(ctx, browser, http.MethodGet, authorizationURL, "")
	if err != nil {
		return err
	}
	action, values, err := readForm(page)
	if err != nil {
		return err
	}
	values.Set("username", name)
	values.Set("password", password)
	_, err = open(ctx, browser, http.MethodPost, action, values.Encode())
	return err
}

// shownPage is a page at the end of all redirects.
type shownPage struct {
	url  *url.URL
	body string
}

func open(ctx context.Context, browser *http.Client, method, target, form string) (*shownPage, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	if form != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	at := response.Request.URL
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s%s: expected a page, got %s", at.Host, at.Path, response.Status)
	}
	return &shownPage{url: at, body: string(body)}, nil
}

// readForm finds the page's form that posts a username and a password, with the values that it comes with.
func readForm(page *shownPage) (action string, values url.Values, err error) {
	document, err := html.Parse(strings.NewReader(page.body))
	if err != nil {
		return "", nil, err
	}
	for node := range document.Descendants() {
		if node.Data != "form" || !strings.EqualFold(attribute(node, "method"), http.MethodPost) {
			continue
		}
		values := url.Values{}
		for input := range node.Descendants() {
			if name := attribute(input, "name"); input.Data == "input" && name != "" {
				values.Set(name, attribute(input, "value"))
			}
		}
		if !values.Has("username") || !values.Has("password") {
			continue
		}
		target, err := page.url.Parse(attribute(node, "action"))
		if err != nil {
			return "", nil, err
		}
		return target.String(), values, nil
	}
	return "", nil, fmt.Errorf("%s%s: expected a form for name and password, got none", page.url.Host, page.url.Path)
}

func attribute(node *html.Node, key string) string {
	for _, a := range node.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
