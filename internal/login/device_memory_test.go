package login_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"opkssh/internal/login"
)

func TestDeviceMemory(t *testing.T) {
	op := newOpenIDProvider(t)
	memory := login.DeviceMemory{Dir: filepath.Join(t.TempDir(), "new")}
	provider := op.provider()
	if got := memory.Nonce(provider); got != login.NonceUnknown {
		t.Fatalf("before: %q", got)
	}
	logIn := func(drops bool) {
		t.Helper()
		op.device.dropsNonce = drops
		flow := op.deviceFlow(nil)
		flow.Memory = memory
		_, err := flow.Login(t.Context(), newClient(t))
		if drops {
			wantCode(t, err, login.CodeDeviceNonce)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	logIn(false)
	if got := memory.Nonce(provider); got != login.NonceReturned {
		t.Errorf("returned: %q", got)
	}
	logIn(true)
	if got := memory.Nonce(provider); got != login.NonceDropped {
		t.Errorf("dropped: %q", got)
	}
	other := provider
	other.ClientID = "other"
	if got := memory.Nonce(other); got != login.NonceUnknown {
		t.Errorf("another client: %q", got)
	}

	files, err := filepath.Glob(filepath.Join(memory.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	// Providers learn: after a month it is worth another try.
	old := time.Now().Add(-31 * 24 * time.Hour)
	if err := os.Chtimes(files[0], old, old); err != nil {
		t.Fatal(err)
	}
	if got := memory.Nonce(provider); got != login.NonceUnknown {
		t.Errorf("after a month: %q", got)
	}
	logIn(false)

	for name, text := range map[string]string{"empty": "", "nonsense": "maybe", "long": "dropped" + string(make([]byte, 1000))} {
		if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := memory.Nonce(provider); got != login.NonceUnknown {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := (login.DeviceMemory{}).Nonce(provider); got != login.NonceUnknown {
		t.Errorf("no folder: %q", got)
	}
	memory.Dir = files[0] // no folder
	logIn(false)
}
