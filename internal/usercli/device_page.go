package usercli

import (
	"os"
	"time"

	"golang.org/x/term"

	"opkssh/internal/login"
)

// showDeviceCode says which code to enter where, and shows a QR code for a phone if the terminal has room.
func showDeviceCode(t *terminal, code login.DeviceCode) {
	page := code.URL
	if code.CompleteURL != "" {
		page = code.CompleteURL
	}
	if code, ok := qrCode(page); ok && hasRoom(t, code) {
		for _, line := range code {
			t.unlogged("%s", line)
		}
	}
	t.note("open this page in a browser, on any device, and log in:")
	t.unlogged("%s", page)
	if code.CompleteURL != "" {
		t.note("the page has to show this code:")
	} else {
		t.note("enter this code there:")
	}
	t.unlogged("%s", code.UserCode)
	t.note("waiting until %s for you to do so", code.ExpiresAt.In(time.Local).Format("15:04:05"))
}

// hasRoom: a QR code that is wrapped or scrolled away is none.
func hasRoom(t *terminal, lines []string) bool {
	file, ok := t.err.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return err == nil && len([]rune(lines[0])) <= width && len(lines) < height
}
