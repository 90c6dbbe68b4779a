package provider

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"opkssh/integration/process"
)

// oidcProviderConfig is what oidc-provider/server.js reads.
type oidcProviderConfig struct {
	Socket          string   `json:"socket"`
	Control         string   `json:"control"`
	Issuer          string   `json:"issuer"`
	ClientID        string   `json:"clientID"`
	Algorithm       string   `json:"algorithm"`
	IDTokenLifetime int      `json:"idTokenLifetime"`
	RedirectURIs    []string `json:"redirectURIs"`
	Users           []User   `json:"users"`
}

func startOIDCProvider(t testing.TB, p *Provider, o options) {
	t.Helper()
	_, thisFile, _, _ := runtime.Caller(0)
	project := filepath.Join(filepath.Dir(thisFile), "oidc-provider")
	if _, err := os.Stat(filepath.Join(project, "node_modules", "oidc-provider")); err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}

	// Not t.TempDir: a socket's path is at most 107 bytes long, and that one holds the test's name.
	dir, err := os.MkdirTemp("", "oidc-provider-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := oidcProviderConfig{
		Socket:          filepath.Join(dir, "socket"),
		Control:         filepath.Join(dir, "control"),
		Issuer:          p.Issuer,
		ClientID:        clientID,
		Algorithm:       o.algorithm,
		IDTokenLifetime: int(o.idTokenLifetime.Seconds()),
		RedirectURIs:    o.redirectURIs,
		Users:           o.users,
	}
	configJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "config.json")
	if err := os.WriteFile(configFile, configJSON, 0o600); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(node(project), "server.js", configFile)
	cmd.Dir = project
	child := process.Start(t, cmd)
	control := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", config.Control)
	}}}
	t.Cleanup(control.CloseIdleConnections)
	child.WaitFor(t, "oidc-provider's sockets", func() bool {
		for _, socket := range []string{config.Socket, config.Control} {
			conn, err := net.Dial("unix", socket)
			if err != nil {
				return false
			}
			_ = conn.Close()
		}
		return true
	})
	p.front.serve(proxyTo(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", config.Socket)
	}))
	p.rotate = func(t testing.TB) {
		t.Helper()
		resp, err := control.Post("http://control/", "", nil)
		if err != nil {
			t.Fatalf("rotate keys: %v", err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatalf("rotate keys: %v", err)
		}
	}
}

// node is the pinned Node that setup.sh installs where the system's own is too old, else the system's own.
func node(project string) string {
	pinned, err := filepath.Glob(filepath.Join(project, "node_modules", "node-linux-*", "bin", "node"))
	if err != nil || len(pinned) == 0 {
		return "node"
	}
	return pinned[0]
}
