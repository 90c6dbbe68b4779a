package login_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/internal/login"
)

var update = flag.Bool("update", false, "write the golden files")

// What is not an answer to this login gets a page, and the login goes on.
func TestStrayRequests(t *testing.T) {
	op := newOpenIDProvider(t)
	b := newBrowser()
	flow := op.flow(b)
	flow.Provider.RedirectURIs = []string{"http://localhost:" + freePort(t) + "/login-callback"}
	uri := flow.Provider.RedirectURIs[0]
	origin := strings.TrimSuffix(uri, "/login-callback")
	b.first = func(string) {
		for name, c := range map[string]struct {
			method, url, host string
			want              int
		}{
			"rebound name":           {"GET", uri + "?code=a&state=b", "evil.example.com", http.StatusForbidden},
			"rebound name with port": {"GET", uri + "?code=a&state=b", "evil.example.com:3000", http.StatusForbidden},
			"name that starts well":  {"GET", uri + "?code=a&state=b", "localhost.evil.example.com", http.StatusForbidden},
			"address that starts so": {"GET", uri + "?code=a&state=b", "127.0.0.1.evil.example.com", http.StatusForbidden},
			"another address":        {"GET", uri + "?code=a&state=b", "192.0.2.1:3000", http.StatusForbidden},
			"post":                   {"POST", uri + "?code=a&state=b", "", http.StatusNotFound},
			"head":                   {"HEAD", uri + "?code=a&state=b", "", http.StatusNotFound},
			"options":                {"OPTIONS", uri + "?code=a&state=b", "", http.StatusNotFound},
			"start page":             {"GET", origin + "/", "", http.StatusNotFound},
			"icon":                   {"GET", origin + "/favicon.ico", "", http.StatusNotFound},
			"path below":             {"GET", uri + "/x?code=a&state=b", "", http.StatusNotFound},
			"visitor":                {"GET", uri, "", http.StatusBadRequest},
			"other parameters":       {"GET", uri + "?q=1", "", http.StatusBadRequest},
			"broken query":           {"GET", uri + "?code=%zz&state=b", "", http.StatusBadRequest},
			"long query":             {"GET", uri + "?code=" + strings.Repeat("a", 16<<10) + "&state=b", "", http.StatusRequestURITooLong},
		} {
			page := get(t, c.method, c.url, c.host)
			if page.err != nil || page.status != c.want {
				t.Errorf("%s: expected %d, got %+v", name, c.want, page)
				continue
			}
			checkHeader(t, page)
		}
	}
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Error(err)
	}
}

// Only the first answer counts, even while it is being looked at.
func TestSecondAnswer(t *testing.T) {
	op := newOpenIDProvider(t)
	b := newBrowser()
	flow := op.flow(b)
	op.token = func(http.ResponseWriter, *http.Request) bool {
		answer := url.Values{"code": {"another"}, "state": {op.authorization.Get("state")}}
		page := get(t, http.MethodGet, op.authorization.Get("redirect_uri")+"?"+answer.Encode(), "")
		if page.err != nil || page.status != http.StatusConflict {
			t.Errorf("expected %d, got %+v", http.StatusConflict, page)
		}
		return false
	}
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Error(err)
	}
}

func checkHeader(t *testing.T, page shown) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s: expected %q, got %q", name, want, got)
		}
	}
	policy := page.header.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none';", "base-uri 'none';", "form-action 'none';", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("%s is missing in policy %q", directive, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if page.body == "" { // HEAD
		return
	}
	_, rest, _ := strings.Cut(page.body, "<style>")
	style, _, ok := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !ok || !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the policy %q does not allow the style %q", policy, style)
	}
}

// What a provider says is text on the page, and the page is as the golden files have it. Run with -update to write them.
func TestPages(t *testing.T) {
	hostile := `<script>alert(1)</script>"'&<img src=x>`
	for name, c := range map[string]struct {
		change func(*openIDProvider)
		want   login.Code // "" for success
	}{
		"success": {func(op *openIDProvider) { op.claims = map[string]any{"email": hostile + "@example.com"} }, ""},
		"refused": {func(op *openIDProvider) {
			op.answer = func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Set("error_description", hostile+strings.Repeat("x", 10000))
				q.Set("error_uri", "javascript:alert(1)")
			}
		}, login.CodeRefused},
		"provider-error": {func(op *openIDProvider) {
			op.answer = func(q url.Values) { q.Set("error", hostile) }
		}, login.CodeProvider},
		"state": {func(op *openIDProvider) { op.answer = func(q url.Values) { q.Set("state", hostile) } }, login.CodeState},
		"token-endpoint": {func(op *openIDProvider) {
			op.token = func(w http.ResponseWriter, _ *http.Request) bool {
				answerJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": hostile})
				return true
			}
		}, login.CodeTokenEndpoint},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			c.change(op)
			b := newBrowser()
			_, err := op.flow(b).Login(t.Context(), newClient(t))
			if c.want != "" {
				wantCode(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
			page := <-b.page
			checkHeader(t, page)
			if strings.Contains(page.body, "<script") || strings.Contains(page.body, "<img") || strings.Contains(page.body, "href") {
				t.Errorf("not text: %s", page.body)
			}
			golden := filepath.Join("testdata", name+".html")
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
		})
	}
}
