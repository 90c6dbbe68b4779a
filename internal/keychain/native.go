package keychain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// service is the name under which a person finds our entries in a keychain program.
const service = "opkssh refresh token"

// Native is the operating system's keychain, nil where there is none: the Secret Service on the session's bus (GNOME Keyring,
// KWallet), the login keychain of macOS, Credential Manager on Windows. patience is how long a person may take to unlock it;
// without it a keychain that asks would hold ssh for ever. getenv looks up DBUS_SESSION_BUS_ADDRESS
// and XDG_RUNTIME_DIR.
func Native(getenv func(string) string, patience time.Duration) System {
	if !present(getenv) {
		return nil
	}
	return native{patience}
}

type native struct{ patience time.Duration }

func (n native) Get(name string) (string, error) {
	return n.within(func() (string, error) { return keyring.Get(service, name) })
}

func (n native) Set(name, secret string) error {
	_, err := n.within(func() (string, error) { return "", keyring.Set(service, name, secret) })
	if errors.Is(err, keyring.ErrSetDataTooBig) {
		return ErrTooLarge
	}
	return err
}

func (n native) Delete(name string) error {
	_, err := n.within(func() (string, error) { return "", keyring.Delete(service, name) })
	return err
}

// within leaves a keychain alone that does not answer in time. The library cannot be interrupted.
func (n native) within(do func() (string, error)) (string, error) {
	type answer struct {
		secret string
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		secret, err := do()
		answers <- answer{secret, err}
	}()
	select {
	case a := <-answers:
		if errors.Is(a.err, keyring.ErrNotFound) {
			a.err = ErrNone
		}
		return a.secret, a.err
	case <-time.After(n.patience):
		return "", fmt.Errorf("no answer within %s: is the keychain locked?", n.patience)
	}
}

// present: without a bus the library would start one, with nobody to end it.
func present(getenv func(string) string) bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return true
	case "linux", "netbsd", "openbsd":
		if getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
			return true
		}
		folder := getenv("XDG_RUNTIME_DIR")
		info, err := os.Stat(filepath.Join(folder, "bus"))
		return folder != "" && err == nil && info.Mode()&fs.ModeSocket != 0
	}
	return false
}
