package usercli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"opkssh/internal/idp"
	"opkssh/internal/login"
)

// loginFlow is the login in the browser, with the address of the page always printed.
func loginFlow(t *terminal, provider login.Provider, o *loginOptions) *login.Flow {
	cache := providerCache(t, provider)
	browser := login.Browser{Getenv: os.Getenv}
	return &login.Flow{
		Provider:  provider,
		Discovery: cache,
		Keys:      cache,
		Network:   cache.Network,
		OpenBrowser: func(url string) error {
			if o.noBrowser {
				return nil
			}
			err := browser.Open(url)
			if err != nil {
				t.detail("no browser was started: %v", err)
			}
			return err
		},
		ShowURL: func(url string) {
			if o.noBrowser {
				t.note("open this page in a browser on this computer to log in:")
			} else {
				t.note("log in in the browser; if none opens, open this page in one on this computer:")
			}
			t.unlogged("%s", url)
		},
		Timeout: o.timeout,
	}
}

// providerCache finds a provider's documents and keys.
func providerCache(t *terminal, provider login.Provider) *idp.Cache {
	return &idp.Cache{
		Dir:     cacheFolder(t),
		Network: idp.Network{Getenv: os.Getenv, CAFile: provider.CAFile},
		Timeout: 10 * time.Second, // a person waits longer for a slow network than sshd does
		Warn:    func(message string, args ...any) { t.detail("%s %s", message, pairsText(args)) },
	}
}

// cacheFolder keeps providers' documents, so that the next login is quicker. Without a folder it works too.
func cacheFolder(t *terminal) string {
	base, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(base, 0o700)
	}
	if err != nil {
		t.detail("no cache: %v", err)
		return ""
	}
	return filepath.Join(base, "opkssh")
}

// pairsText shows the arguments of a log line.
func pairsText(args []any) string {
	var b strings.Builder
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(&b, "%v=%v ", args[i], args[i+1])
	}
	return strings.TrimSpace(b.String())
}
