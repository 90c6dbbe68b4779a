package loginform

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"opkssh/integration/process"
)

// Chromium does in a real browser what Login does: it logs in at oidc-provider's pages, agrees, and returns the page of the redirect URI.
// The browser accepts any certificate and starts with an empty profile. The page's Status is not known.
func Chromium(t testing.TB, authURL, user, password string) *Page {
	t.Helper()
	parsed, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	redirectURI := parsed.Query().Get("redirect_uri")

	ctx := chromium(t)
	if err := chromedp.Do(ctx,
		chromedp.Navigate(authURL),
		chromedp.WaitVisible(`input[name="login"]`),
		chromedp.SendKeys(`input[name="login"]`, user),
		chromedp.SendKeys(`input[name="password"]`, password),
		chromedp.Click(`button[type="submit"]`),
		chromedp.WaitReady(`input[name="prompt"][value="consent"]`),
		chromedp.Click(`button[type="submit"]`),
	); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	page := &Page{}
	for !strings.HasPrefix(page.URL, redirectURI) {
		if ctx.Err() != nil {
			t.Fatalf("chromium: expected %s, got %s", redirectURI, page.URL)
		}
		time.Sleep(50 * time.Millisecond)
		// While the page changes there may be nothing to ask.
		if location, err := chromedp.Run(ctx, chromedp.Location()); err == nil {
			page.URL = location
		}
	}
	if page.Body, err = chromedp.Run(ctx, chromedp.Text("body")); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return page
}

// chromium starts a headless browser with an empty profile, for the time of the test and not longer than twice process.Patience.
func chromium(t testing.TB) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	// Its short path suits a socket, whose path is at most 107 bytes long.
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	deadline, cancel := context.WithTimeout(context.Background(), 2*process.Patience)
	t.Cleanup(cancel)
	// The allocator makes a profile folder, and removes it when the browser has ended.
	allocator, stop := chromedp.NewExecAllocator(deadline,
		chromedp.ExecPath(program),
		chromedp.Env("TMPDIR="+dir),
		chromedp.Headless,
		chromedp.NoSandbox,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("ignore-certificate-errors", true),
	)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	return ctx
}
