package loginform

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Keyboard is a person who uses a real browser without a pointer.
type Keyboard struct {
	ctx context.Context
}

// The keys, beside characters.
const (
	Tab   = "\t"
	Enter = "\r"
)

// StartKeyboard opens the address.
func StartKeyboard(t testing.TB, address string) *Keyboard {
	t.Helper()
	k := &Keyboard{chromium(t)}
	if err := chromedp.Do(k.ctx, chromedp.EmulateViewport(800, 600), chromedp.Navigate(address)); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return k
}

// Press types keys.
func (k *Keyboard) Press(t testing.TB, keys string) {
	t.Helper()
	if err := chromedp.Do(k.ctx, chromedp.KeyEvent(keys)); err != nil {
		t.Fatalf("chromium: %v", err)
	}
}

// Read gives a script's value as text.
func (k *Keyboard) Read(t testing.TB, script string) string {
	t.Helper()
	value, err := chromedp.Run(k.ctx, chromedp.Evaluate[string]("String("+script+")"))
	if err != nil {
		t.Fatalf("chromium: %s: %v", script, err)
	}
	return value
}

// WaitFor waits until a script's value is true.
func (k *Keyboard) WaitFor(t testing.TB, script string) {
	t.Helper()
	for {
		// While the page changes there may be nothing to ask.
		if value, err := chromedp.Run(k.ctx, chromedp.Evaluate[bool]("Boolean("+script+")")); err == nil && value {
			return
		}
		if k.ctx.Err() != nil {
			t.Fatalf("chromium: expected %s", script)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Picture gives the page as PNG, in the color scheme "light" or "dark".
func (k *Keyboard) Picture(t testing.TB, scheme string) []byte {
	t.Helper()
	prefer := chromedp.Action[chromedp.Void](func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
	if err := chromedp.Do(k.ctx, prefer); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	picture, err := chromedp.Run(k.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return picture
}
