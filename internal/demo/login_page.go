package demo

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
)

const loginPath = "/login"

// maxForm is the size of the largest form that is read, in bytes.
const maxForm = 16 << 10

//go:embed login_page.html
var loginPageText string

var loginPageTemplate = template.Must(template.New("login").Parse(loginPageText))

// loginPage is the form, which op leaves to its user.
type loginPage struct {
	storage *storage
	next    func(ctx context.Context, id string) string // where to go on after the login
}

// ServeHTTP shows the form, or takes it and goes on.
func (p *loginPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := r.FormValue("id")
	var err error
	switch r.Method {
	case http.MethodPost:
		if err = p.storage.logIn(id, r.PostFormValue("username"), r.PostFormValue("password")); err == nil {
			http.Redirect(w, r, p.next(r.Context(), id), http.StatusSeeOther)
			return
		}
	case http.MethodGet:
		if !p.storage.waiting(id) {
			err = errNoRequest
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "expected GET or POST", http.StatusMethodNotAllowed)
		return
	}
	status := http.StatusOK
	switch {
	case errors.Is(err, errNoRequest):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusUnauthorized
	}
	p.show(w, status, id, r.PostFormValue("username"), err)
}

func (p *loginPage) show(w http.ResponseWriter, status int, id, name string, problem error) {
	page := struct {
		ID, Name, Problem string
		Over              bool
	}{ID: id, Name: name, Over: errors.Is(problem, errNoRequest)}
	if problem != nil {
		page.Problem = problem.Error()
	}
	var body bytes.Buffer
	if err := loginPageTemplate.Execute(&body, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	// Without form-action: browsers hold the redirect to the client's address against it, too.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a browser that is gone misses nothing
}
