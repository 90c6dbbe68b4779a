package usercli

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"opkssh/internal/filelock"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// A login that never ends, as of a process that was stopped, does not hold up others for ever.
func TestNobodyWaitsForEverForALogin(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	for _, name := range []string{"DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "TERMUX_VERSION", "PREFIX"} {
		t.Setenv(name, "")
	}
	t.Setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22") // so that no system has a browser by itself
	config := filepath.Join(home, "config.yml")
	text := "providers:\n  - alias: work\n    issuer: https://op.example.com\n    client_id: opkssh\n    hosts: [host]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(home, ".ssh", userkeys.Folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	finish, _, err := filelock.Lock(t.Context(), filepath.Join(folder, "work.lock"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer finish()
	input, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = input.Close() }()
	// The goroutine that waits for signals is of no test's time.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)

	for name, c := range map[string]struct {
		browser     string
		least, most time.Duration
	}{
		"nobody can log in here":   {"", 30 * time.Second, time.Minute},
		"somebody can log in here": {"true", login.DefaultTimeout, 2 * login.DefaultTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BROWSER", c.browser)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ended := make(chan error, 1)
				go func() {
					ended <- ensure(t.Context(), &terminal{in: input, out: io.Discard, err: io.Discard}, config, "host")
				}()
				var err error
				select {
				case err = <-ended:
				case <-time.After(time.Hour):
					t.Fatal("it still waits after an hour")
				}
				if waited := time.Since(start); waited < c.least || waited > c.most+time.Second {
					t.Errorf("expected to wait from %s to %s, got %s", c.least, c.most, waited)
				}
				var end endError
				if !errors.As(err, &end) || !strings.Contains(err.Error(), "has not ended within") || !strings.Contains(end.Hint(), "opkssh login work") {
					t.Errorf("expected an error that says so, with a hint, got %v", err)
				}
			})
		})
	}
}
