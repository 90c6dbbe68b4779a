package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/integration/issuer"
	"opkssh/integration/process"
	"opkssh/integration/provider"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

// Host is a server with sshd, our program and a policy.
type Host struct {
	*sshd.Server

	environment string // line of config.yml, once there is a certificate authority to trust
}

// Command is the line that hosts have in sshd_config.
const Command = sshd.BinDir + "/opkssh verify %u %k %t"

// logFile is where the host's decisions go, as the host sees it.
const logFile = "/var/log/opkssh.log"

// StartHost runs sshd with opkssh as hosts of opkssh have it, believing in p with the expiration policy given. Nobody may log in
// yet. lines go into sshd_config.
func StartHost(t testing.TB, p *provider.Provider, expiration string, lines ...string) *Host {
	t.Helper()
	h := StartEmptyHost(t, Command, lines...)
	h.Trust(t, p, expiration)
	return h
}

// StartIssuerHost is [StartHost] for identities that need no login.
func StartIssuerHost(t testing.TB, i *issuer.Issuer, lines ...string) *Host {
	t.Helper()
	h := StartEmptyHost(t, Command, lines...)
	h.Write(t, "providers", i.URL+" "+pktokentest.ClientID+" 24h\n")
	return h
}

// StartEmptyHost believes nobody.
func StartEmptyHost(t testing.TB, command string, lines ...string) *Host {
	t.Helper()
	h := &Host{Server: sshd.Start(t, sshd.Config{AuthorizedKeysCommand: command, Lines: lines})}
	h.InstallBinary(t, Opkssh(t), "opkssh")
	h.Config(t, "")
	h.write(t, filepath.Join(h.LogDir, "opkssh.log"), "")
	h.Chown(t, filepath.Join(h.LogDir, "opkssh.log"), sshd.CommandUser)
	return h
}

// Trust makes p the host's only provider.
func (h *Host) Trust(t testing.TB, p *provider.Provider, expiration string) {
	t.Helper()
	h.Write(t, "providers", fmt.Sprintf("%s %s %s\n", p.Issuer, p.ClientID, expiration))
	ca, err := os.ReadFile(p.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(t, "ca.pem", string(ca))
	h.environment = "env_vars: {SSL_CERT_FILE: /etc/opk/ca.pem}\n"
	h.Config(t, "")
}

// Config writes config.yml: what every host here needs, and more.
func (h *Host) Config(t testing.TB, more string) {
	t.Helper()
	h.Write(t, "config.yml", h.environment+"log: {to: "+logFile+"}\n"+more)
}

// Write makes a file in /etc/opk, as Ansible would.
func (h *Host) Write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(h.ConfigDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(t, path, text)
}

func (h *Host) write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Allow writes auth_id: rows of user and identity, at p.
func (h *Host) Allow(t testing.TB, p *provider.Provider, rows ...string) {
	t.Helper()
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%s %s\n", row, p.Issuer)
	}
	h.Write(t, "auth_id", b.String())
}

// ForgetKeys empties the host's cache of providers' keys.
func (h *Host) ForgetKeys(t testing.TB) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.CacheDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
}

// Record is one line of the host's log.
type Record map[string]any

// Records are the decisions in the host's log until now.
func (h *Host) Records(t testing.TB) []Record {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.LogDir, "opkssh.log"))
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for line := range strings.Lines(string(data)) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if r["msg"] == "login" {
			records = append(records, r)
		}
	}
	return records
}

// LastRecord is the newest decision.
func (h *Host) LastRecord(t testing.TB) Record {
	t.Helper()
	records := h.Records(t)
	if len(records) == 0 {
		t.Fatal("the host has logged no decision")
	}
	return records[len(records)-1]
}

// Eventually repeats a check until it holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(process.Patience); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("expected %s within %v", what, process.Patience)
		}
	}
}
