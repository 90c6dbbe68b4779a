package login_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"opkssh/internal/login"
)

func openChooser(t *testing.T, providers []login.Provider) *login.ChooserPage {
	t.Helper()
	c, err := login.OpenChooserPage(providers)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func twoProviders() []login.Provider {
	return []login.Provider{
		{Aliases: []string{"work", "sso", "office"}, Issuer: "https://sso.example.com"},
		{Aliases: []string{"<b>x</b>"}, Issuer: `https://op.example.com/"onclick="alert(1)`},
	}
}

var chooserLink = regexp.MustCompile(`<a href="([0-9]+)">`)

// The page is as the golden file has it. Run with -update to write it.
func TestChooserPage(t *testing.T) {
	c := openChooser(t, twoProviders())
	defer c.Close(nil)
	page := get(t, http.MethodGet, c.URL(), "")
	if page.status != http.StatusOK {
		t.Fatalf("got %+v", page)
	}
	checkHeader(t, page)
	if links := chooserLink.FindAllStringSubmatch(page.body, -1); len(links) != 2 {
		t.Errorf("expected two links, got %v", links)
	}
	if strings.Contains(page.body, "<b>") || strings.Contains(page.body, `"onclick`) || strings.Contains(page.body, "<script") {
		t.Errorf("not text: %s", page.body)
	}
	golden := filepath.Join("testdata", "chooser.html")
	if *update {
		if err := os.WriteFile(golden, []byte(page.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if page.body != string(want) {
		t.Errorf("expected %s, got %s", want, page.body)
	}
}

// What does not know the address of the page, or comes by another name, chooses nothing.
func TestChooserPageForOthers(t *testing.T) {
	c := openChooser(t, twoProviders())
	defer c.Close(nil)
	other := openChooser(t, twoProviders())
	defer other.Close(nil)
	token := c.URL()[strings.LastIndex(strings.TrimSuffix(c.URL(), "/"), "/"):]
	origin := strings.TrimSuffix(c.URL(), token)
	otherToken := other.URL()[strings.LastIndex(strings.TrimSuffix(other.URL(), "/"), "/"):]
	if len(token) < 43+2 || token == otherToken {
		t.Fatalf("tokens %s, %s", token, otherToken)
	}
	for name, c := range map[string]struct {
		method, url, host string
		want              int
	}{
		"rebound name":          {"GET", c.URL(), "evil.example.com", http.StatusForbidden},
		"rebound choice":        {"GET", c.URL() + "0", "evil.example.com", http.StatusForbidden},
		"name that starts well": {"GET", c.URL() + "0", "localhost.evil.example.com", http.StatusForbidden},
		"no token":              {"GET", origin + "/0", "", http.StatusNotFound},
		"start page":            {"GET", origin + "/", "", http.StatusNotFound},
		"token of another run":  {"GET", origin + otherToken + "0", "", http.StatusNotFound},
		"start of the token":    {"GET", origin + token[:20] + "/0", "", http.StatusNotFound},
		"post":                  {"POST", c.URL() + "0", "", http.StatusNotFound},
		"head":                  {"HEAD", c.URL() + "0", "", http.StatusNotFound},
		"number too large":      {"GET", c.URL() + "2", "", http.StatusNotFound},
		"negative number":       {"GET", c.URL() + "-1", "", http.StatusNotFound},
		"two names of a number": {"GET", c.URL() + "00", "", http.StatusNotFound},
		"path below":            {"GET", c.URL() + "0/x", "", http.StatusNotFound},
		"word":                  {"GET", c.URL() + "work", "", http.StatusNotFound},
	} {
		page := get(t, c.method, c.url, c.host)
		if page.err != nil || page.status != c.want {
			t.Errorf("%s: expected %d, got %+v", name, c.want, page)
			continue
		}
		checkHeader(t, page)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Chosen(ctx)
	wantCode(t, err, login.CodeCanceled)
}

func TestChosenProviderGoesOn(t *testing.T) {
	c := openChooser(t, twoProviders())
	answers := make(chan *http.Response, 2)
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	choose := func() {
		answer, err := direct.Get(c.URL() + "1")
		if err != nil {
			t.Error(err)
		} else {
			_ = answer.Body.Close()
		}
		answers <- answer
	}
	go choose()
	p, err := c.Chosen(t.Context())
	if err != nil || p.Issuer != twoProviders()[1].Issuer {
		t.Fatalf("got %+v, %v", p, err)
	}
	// A choice is made once, and may be asked for again.
	if page := get(t, http.MethodGet, c.URL()+"0", ""); page.status != http.StatusConflict || !strings.Contains(page.body, "&lt;b&gt;") {
		t.Errorf("expected %d, got %+v", http.StatusConflict, page)
	}
	go choose()
	const to = "https://op.example.com/authorize?state=hush"
	c.GoOn(to)
	for range 2 {
		if answer := <-answers; answer != nil {
			if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != to ||
				answer.Header.Get("Referrer-Policy") != "no-referrer" || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d, %v", answer.StatusCode, answer.Header)
			}
		}
	}
	c.Close(errors.New("too late"))
	if page := get(t, http.MethodGet, c.URL(), ""); page.err == nil {
		t.Errorf("expected no page any more, got %+v", page)
	}
}

// A browser that has chosen is told how it ends, although the page ends with the login.
func TestChooserPageEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*login.ChooserPage)
		want string
	}{
		"elsewhere": {func(c *login.ChooserPage) { c.Leave(); c.Close(nil) }, "Go on in the terminal"},
		"done":      {func(c *login.ChooserPage) { c.Close(nil) }, "Go on in the terminal"},
		"failed": {func(c *login.ChooserPage) {
			c.Close(&login.Error{Code: login.CodeDiscovery, Detail: "<i>no</i>", Hint: "look"})
		}, "discovery: &lt;i&gt;no&lt;/i&gt;"},
		"failed otherwise": {func(c *login.ChooserPage) { c.Close(errors.New("hush")) }, "The login did not work"},
	} {
		t.Run(name, func(t *testing.T) {
			chooser := openChooser(t, twoProviders())
			page := make(chan shown, 1)
			go func() { page <- get(t, http.MethodGet, chooser.URL()+"0", "") }()
			if _, err := chooser.Chosen(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.end(chooser)
			got := <-page
			checkHeader(t, got)
			if got.status != http.StatusOK || !strings.Contains(got.body, c.want) || strings.Contains(got.body, "hush") {
				t.Errorf("expected %s, got %+v", c.want, got)
			}
		})
	}
}

func TestChooserPageTimeout(t *testing.T) {
	c := openChooser(t, twoProviders())
	defer c.Close(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	_, err := c.Chosen(ctx)
	wantCode(t, err, login.CodeTimeout)
}
