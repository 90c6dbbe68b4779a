package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const urlCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"

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
	// Whatever reads a command line takes a URL for one word as long as it is made of what RFC 3986 §2 allows.
	text := u.String()
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(urlCharacters, r) }) {
		return errors.New("a character that no URL has")
	}
	return b.open(text)
}
