package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const (
	letters       = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	urlCharacters = letters + "-._~:/?#[]@!$&'()*+,;=%"
	// originCharacters: RFC 3986 §3.2.2 allows more in a host, which no name has that can be looked up, and which cannot be encoded there.
	originCharacters = letters + "-._:/[]%"
)

// encoded replaces what a URL may have (RFC 3986 §2.2), and what a program that hands it to a shell could take for code. wslview is one:
// it has PowerShell read "URL", where $(...) is run. To the provider the query means the same, and so does the path, as servers decode it.
// What is left, & above all, is in every login's URL: a program that it breaks would open none.
var encoded = strings.NewReplacer("!", "%21", "$", "%24", "'", "%27", "(", "%28", ")", "%29", "*", "%2A", ",", "%2C", ";", "%3B", "[", "%5B", "]", "%5D")

// Browser starts the person's browser. The zero value knows nothing of the environment, and looks for the system's browser.
type Browser struct {
	// Getenv looks up BROWSER (Unix alone) and WSL_DISTRO_NAME (Linux alone).
	Getenv func(name string) string
}

// InWSL: this is a Linux with a Windows, and its browser, around it.
func (b Browser) InWSL() bool { return b.isWSL() }

// Open starts a browser and does not wait for it. The URL has to be https, or http with a loopback host, since other schemes
// start other programs. An error means that nothing could be started; that a browser did start does not mean that it can show
// anything.
func (b Browser) Open(pageURL string) error {
	u, err := url.Parse(pageURL)
	if err != nil {
		return errors.New("not a URL")
	}
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		return fmt.Errorf("expected an https URL (http for a loopback host), got scheme %q and host %q", u.Scheme, u.Host)
	}
	if u.User != nil {
		return errors.New("expected no user name in a URL")
	}
	// Whatever reads a command line takes a URL for one word as long as it is made of what RFC 3986 §2 allows.
	text := u.String()
	if hasOtherThan(urlCharacters, text) {
		return errors.New("a character that no URL has")
	}
	origin := (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	if hasOtherThan(originCharacters, origin) {
		return fmt.Errorf("expected a host of letters, digits and -._, got %q", u.Host)
	}
	return b.open(origin + encoded.Replace(strings.TrimPrefix(text, origin)))
}

func hasOtherThan(allowed, text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(allowed, r) })
}
