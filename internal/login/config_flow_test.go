package login_test

import (
	"errors"
	"testing"

	"opkssh/internal/login"
)

func TestConfigFlow(t *testing.T) {
	config, err := login.ParseConfig("config.yml", []byte(`
flow: device
providers:
  - {alias: a, issuer: https://a.example.com, client_id: x}
  - {alias: b, issuer: https://b.example.com, client_id: x, flow: paste, key_binding: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b := config.Providers[0], config.Providers[1]
	if config.Flow != login.FlowDevice || a.Flow != "" || a.KeyBinding || b.Flow != login.FlowPaste || !b.KeyBinding {
		t.Errorf("flow %q, a %q %t, b %q %t", config.Flow, a.Flow, a.KeyBinding, b.Flow, b.KeyBinding)
	}
}

func TestConfigFlowErrors(t *testing.T) {
	for text, member := range map[string]string{
		"flow: phone\n":   "flow",
		"flow: [paste]\n": "flow",
		"providers:\n  - {alias: a, issuer: https://a.example.com, client_id: x, flow: ''}\n":           "flow",
		"providers:\n  - {alias: a, issuer: https://a.example.com, client_id: x, key_binding: yep}\n":   "key_binding",
		"providers:\n  - {alias: a, issuer: https://a.example.com, client_id: x, key_binding: [y]}\n":   "key_binding",
		"providers:\n  - {alias: a, issuer: https://a.example.com, client_id: x, keybinding: true}\n":   "keybinding",
		"providers:\n  - {alias: a, issuer: https://a.example.com, client_id: x, flow: paste}\nflow: x": "flow",
	} {
		_, err := login.ParseConfig("config.yml", []byte(text))
		e := (*login.ConfigError)(nil)
		if !errors.As(err, &e) || e.Member != member {
			t.Errorf("%q: expected an error about %s, got %v", text, member, err)
		}
	}
}
