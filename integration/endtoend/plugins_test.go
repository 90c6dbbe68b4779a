package endtoend_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

const pluginHostLog = "log: {to: /var/log/opkssh.log}\n"

// startPluginHost runs a host whose only rule lets alice in as deploy.
func startPluginHost(t *testing.T, command string) (*endtoend.Host, *issuer.Issuer) {
	t.Helper()
	i := issuer.Start(t)
	h := &endtoend.Host{Server: sshd.Start(t, sshd.Config{AuthorizedKeysCommand: command})}
	h.InstallBinary(t, endtoend.Opkssh(t), "opkssh")
	h.Write(t, "providers", i.URL+" "+pktokentest.ClientID+" 24h\n")
	h.Write(t, "auth_id", "deploy alice@example.com "+i.URL+"\n")
	h.Write(t, "config.yml", pluginHostLog)
	log := filepath.Join(h.LogDir, "opkssh.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Chown(t, log, sshd.CommandUser)
	return h, i
}

// installPlugin installs one of the examples that we ship, with arguments.
func installPlugin(t *testing.T, h *endtoend.Host, name, arguments, mode string) {
	t.Helper()
	program := h.InstallBinary(t, "../../policies/plugins/"+name, name)
	h.Write(t, "policy.d/"+name+".yml", fmt.Sprintf("name: %s\ncommand: %s %s\nmode: %s\n", name, program, arguments, mode))
}

// TestPluginAllows: alice may log in as alice because a plugin says so, and as nobody else.
func TestPluginAllows(t *testing.T) {
	h, i := startPluginHost(t, endtoend.Command)
	alice := h.Client(t, i.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true}).Key, "")
	wantRefused(t, h, alice.SSH(t, "alice", "id -un"), "no-rule")
	installPlugin(t, h, "match-user-to-email", "example.com", "allow")
	wantOutput(t, h, alice.SSH(t, "alice", "id -un"), "alice\n")
	if got := h.LastRecord(t)["plugin"]; got != "match-user-to-email" {
		t.Errorf("log: expected the plugin, got %v", got)
	}
	wantRefused(t, h, alice.SSH(t, "bob", "id -un"), "no-rule")
	root := h.Client(t, i.Login(t, map[string]any{"email": "root@example.com", "email_verified": true}).Key, "")
	wantRefused(t, h, root.SSH(t, "root", "id -un"), "no-rule")

	h.Write(t, "config.yml", "deny_emails: [alice@example.com]\n"+pluginHostLog)
	wantRefused(t, h, alice.SSH(t, "alice", "id -un"), "denied-email")
}

// TestPluginRequired: alice may log in from where a plugin says, and from nowhere else, whatever rule lets her in.
func TestPluginRequired(t *testing.T) {
	h, i := startPluginHost(t, endtoend.Command+" %C")
	alice := h.Client(t, i.Login(t, map[string]any{"email": "alice@example.com"}).Key, "")
	if r := alice.SSH(t, "deploy", "id -un"); strings.Contains(h.Log(), "unknown key %C") {
		// This sshd is older than the token: say what it would.
		h, i = startPluginHost(t, sshd.BinDir+"/keys %u %k %t")
		h.InstallScript(t, "keys", "#!/bin/sh\nexec "+sshd.BinDir+`/opkssh verify "$@" '127.0.0.1 40000 127.0.0.1 22'`+"\n")
		alice = h.Client(t, i.Login(t, map[string]any{"email": "alice@example.com"}).Key, "")
	} else {
		wantOutput(t, h, r, "deploy\n")
	}
	installPlugin(t, h, "source-address", "127.0.0.*", "require")
	wantOutput(t, h, alice.SSH(t, "deploy", "id -un"), "deploy\n")
	installPlugin(t, h, "source-address", "192.0.2.*", "require")
	wantRefused(t, h, alice.SSH(t, "deploy", "id -un"), "plugin-required")
	if got := h.LastRecord(t)["plugin"]; got != "source-address" {
		t.Errorf("log: expected the plugin, got %v", got)
	}
}
