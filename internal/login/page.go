package login

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"sync"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = lazyTemplate("page", pageText)

// lazyTemplate parses at the first use: ssh waits for each start of opkssh ensure, which shows no page.
func lazyTemplate(name, text string) func() *template.Template {
	return sync.OnceValue(func() *template.Template { return template.Must(template.New(name).Parse(text)) })
}

// policyFor lets a page run no script, load nothing, and be in no frame. Its one style sheet is named by its hash (CSP Level 3 §2.3.1).
func policyFor(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// page is what the browser is told. All of it is text.
type page struct {
	Heading, Message          string
	Provider, Description     string // a provider's error
	ErrorURI, Hint, Technical string
}

func successPage(r *Result) page {
	who := r.Verified.Email()
	if who == "" {
		who = r.Verified.Subject()
	}
	return page{
		Heading: "You are logged in",
		Message: "You are logged in as " + printable(who, maxErrorText) + ". You can close this page and go back to the terminal.",
	}
}

func failurePage(err error) page {
	p := page{Heading: "The login did not work", Message: "You can close this page. The terminal says the same."}
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return p
	}
	p.Provider, p.Description, p.ErrorURI, p.Hint = e.ProviderError, e.ProviderDescription, e.ProviderURI, e.Hint
	// The rest without what has a line of its own.
	rest := *e
	rest.ProviderError, rest.ProviderDescription, rest.ProviderURI = "", "", ""
	p.Technical = printable(rest.Error(), 4*maxErrorText)
	return p
}

// writePage escapes all of p. The address of the page holds the code, so it goes nowhere.
func writePage(w http.ResponseWriter, status int, p page) {
	writeHTML(w, status, pageStyle, pageTemplate(), struct {
		page
		Style template.CSS
	}{p, template.CSS(pageStyle)}) //nolint:gosec // a constant
}

func writeHTML(w http.ResponseWriter, status int, style string, t *template.Template, data any) {
	var body bytes.Buffer
	if err := t.Execute(&body, data); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Security-Policy", policyFor(style))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a browser that is gone misses nothing
}
