package loginform

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// response is a page with what is needed to go on from it.
type response struct {
	Page
	url *url.URL
}

// errNoForm is for a page without a form.
var errNoForm = errors.New("expected a form")

// form is the first form of a page, filled as the page filled it.
type form struct {
	action, method string
	values         url.Values

	// nameInput and passwordInput are the names of those inputs, empty where the form has none.
	nameInput, passwordInput string
}

// login fills in name and password, and reports whether the form asks for a password.
func (f *form) login(user, password string) bool {
	if f.passwordInput == "" {
		return false
	}
	f.values.Set(f.nameInput, user)
	f.values.Set(f.passwordInput, password)
	return true
}

// form finds the page's first form.
func (r *response) form() (form, error) {
	document, err := html.Parse(strings.NewReader(r.Body))
	if err != nil {
		return form{}, err
	}
	for node := range document.Descendants() {
		if node.Data != "form" {
			continue
		}
		f := form{action: attribute(node, "action"), method: attribute(node, "method"), values: url.Values{}}
		if f.method == "" {
			f.method = http.MethodGet
		}
		for input := range node.Descendants() {
			if input.Data == "input" {
				f.addInput(input)
			}
		}
		return f, nil
	}
	return form{}, fmt.Errorf("login: %w, got %s:\n%s", errNoForm, r.URL, r.Body)
}

func (f *form) addInput(input *html.Node) {
	name := attribute(input, "name")
	switch attribute(input, "type") {
	case "", "text", "email":
		f.nameInput = name
	case "password":
		f.passwordInput = name
	}
	if name != "" {
		f.values.Set(name, attribute(input, "value"))
	}
}

// abortLink finds the link with which oidc-provider's pages offer to give up.
func (r *response) abortLink() (string, error) {
	document, err := html.Parse(strings.NewReader(r.Body))
	if err != nil {
		return "", err
	}
	for node := range document.Descendants() {
		if href := attribute(node, "href"); node.Data == "a" && strings.HasSuffix(href, "/abort") {
			target, err := r.url.Parse(href)
			if err != nil {
				return "", err
			}
			return target.String(), nil
		}
	}
	return "", fmt.Errorf("refuse: expected a link to give up, got %s:\n%s", r.URL, r.Body)
}

func attribute(node *html.Node, key string) string {
	for _, a := range node.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
