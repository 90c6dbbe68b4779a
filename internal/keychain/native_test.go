package keychain_test

import (
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"opkssh/internal/keychain"
)

// Where nothing says that a bus is there, none is started.
func TestNoKeychainWithoutABus(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return // it is a part of the system there
	}
	t.Chdir(t.TempDir())
	if l, err := net.Listen("unix", "bus"); err != nil {
		t.Fatal(err)
	} else {
		defer func() { _ = l.Close() }()
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variables map[string]string
		want      bool
	}{
		"nothing":          {nil, false},
		"an address":       {map[string]string{"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}, true},
		"a runtime folder": {map[string]string{"XDG_RUNTIME_DIR": here}, true},
		"without a bus":    {map[string]string{"XDG_RUNTIME_DIR": t.TempDir()}, false},
	} {
		system := keychain.Native(func(name string) string { return c.variables[name] }, time.Second)
		if got := system != nil; got != (c.want && runtime.GOOS == "linux") {
			t.Errorf("%s: expected a keychain %t, got %t", name, c.want, got)
		}
	}
}
