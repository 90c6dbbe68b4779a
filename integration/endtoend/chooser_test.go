package endtoend_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/loginform"
	"opkssh/integration/provider"
)

var pictures = flag.Bool("pictures", false, "write the pictures of the documentation")

// TestChooserPageByKeyboard: a person with a keyboard and a real browser chooses among several providers, and goes on from that
// page to the provider and back.
func TestChooserPageByKeyboard(t *testing.T) {
	p := provider.Start(t, provider.OIDCProvider)
	alice := endtoend.NewPerson(t, p, "alice")
	config := filepath.Join(alice.Home, "config.yml")
	text := fmt.Sprintf(`providers:
  - {alias: google, issuer: https://accounts.google.com, client_id: opkssh}
  - {alias: work sso, issuer: %q, client_id: %s}
  - {alias: gitlab, issuer: https://gitlab.com, client_id: opkssh}
`, p.Issuer, p.ClientID)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// It finds the address on the terminal, and opens it by itself.
	login := alice.StartAtTerminal(t, []string{"BROWSER=true"}, "login", "--config-path", config)
	address := login.WaitFor(t, `http://\S+/\r?\n`)
	k := loginform.StartKeyboard(t, strings.TrimSpace(address))
	k.WaitFor(t, `document.readyState === "complete"`)

	// What a screen reader needs: a language, one heading, a list of links with names.
	for script, want := range map[string]string{
		`document.documentElement.lang`:                                                                 "en",
		`document.title`:                                                                                "Choose a provider - opkssh",
		`document.querySelectorAll("h1").length`:                                                        "1",
		`document.querySelectorAll("main ul[role=list] > li > a").length`:                               "3",
		`document.querySelectorAll("script, img, link, iframe, form").length`:                           "0",
		`performance.getEntriesByType("resource").filter(r => !r.name.endsWith("/favicon.ico")).length`: "0",
		// The policy lets the page's own style in, and nothing else.
		`getComputedStyle(document.querySelector("ul")).listStyleType`: "none",
	} {
		if got := k.Read(t, script); got != want {
			t.Errorf("%s: expected %s, got %s", script, want, got)
		}
	}
	k.Press(t, loginform.Tab)
	k.Press(t, loginform.Tab)
	if got := k.Read(t, `document.activeElement.innerText`); got != "work (sso)\n"+p.Issuer {
		t.Errorf("expected the second link after two tabs, got %q", got)
	}
	if got := k.Read(t, `getComputedStyle(document.activeElement).outlineStyle`); got != "solid" {
		t.Errorf("the focus does not show: outline %s", got)
	}
	background := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		picture := k.Picture(t, scheme)
		background[scheme] = k.Read(t, `getComputedStyle(document.body).backgroundColor`)
		if *pictures {
			if err := os.WriteFile("../../docs/chooser-"+scheme+".png", picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if background["light"] == background["dark"] {
		t.Errorf("light and dark are the same: %v", background)
	}

	k.Press(t, loginform.Enter)
	k.WaitFor(t, `document.querySelector("input[name=login]")`)
	k.Read(t, `document.querySelector("input[name=login]").focus()`)
	k.Press(t, alice.User.Name+loginform.Tab+alice.User.Password+loginform.Enter)
	k.WaitFor(t, `document.querySelector("input[name=prompt][value=consent]")`)
	k.Read(t, `document.querySelector("button[type=submit]").focus()`)
	k.Press(t, loginform.Enter)
	k.WaitFor(t, `document.querySelector("h1")?.innerText === "You are logged in"`)
	if shown, code := login.Wait(t); code != 0 || !strings.Contains(shown, "logged in as "+alice.User.Email) {
		t.Errorf("exit code %d\n%s", code, shown)
	}
	if _, err := os.Stat(alice.Certificate()); err != nil {
		t.Error(err)
	}
}
