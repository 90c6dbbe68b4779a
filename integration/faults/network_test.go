package faults_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"opkssh/integration/proxy"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestNetworkGone: the name of a provider cannot be resolved, or there is no way to it any more. Nobody gets in by it whose keys were
// never fetched, and nobody is locked out while what was fetched may serve. Users of another
// provider, whose keys are held, notice nothing.
func TestNetworkGone(t *testing.T) {
	// way is how a login reaches the provider: config.yml's env_vars, and the command that it runs in.
	type way struct {
		proxy, authority string
		within           []string
		wait             string
	}
	for name, broken := range map[string]func(t *testing.T, w *way){
		"no name server": func(t *testing.T, w *way) {
			w.proxy, w.within = "", withNameServer(t, ownAddress())
		},
		"no such name": func(t *testing.T, w *way) {
			const noSuchName = 3 // RFC 1035 §4.1.1
			w.proxy, w.within = "", withNameServer(t, startNameServer(t, func(question []byte) []byte {
				question[2], question[3] = question[2]|0x80, noSuchName
				return question
			}))
		},
		"name server silent": func(t *testing.T, w *way) {
			w.proxy, w.wait = "", impatient
			w.within = withNameServer(t, startNameServer(t, func([]byte) []byte { return nil }))
		},
		"proxy gone": func(t *testing.T, w *way) {
			gone := proxy.Start(t, "127.0.0.1:1")
			gone.Close()
			w.proxy = gone.URL
		},
		"proxy without a way": func(t *testing.T, w *way) { w.proxy = proxy.Start(t, "127.0.0.1:1").URL },
		"proxy silent": func(t *testing.T, w *way) {
			silent := httptest.NewServer(http.HandlerFunc(untilGone))
			t.Cleanup(silent.Close)
			w.proxy, w.wait = silent.URL, impatient
		},
		"proxy that cannot be read": func(_ *testing.T, w *way) { w.proxy = "ftp://127.0.0.1" },
		"authority gone":            func(_ *testing.T, w *way) { w.authority += "-gone" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostOf(t, startNamedProvider(t))
			near := startProvider(t)
			h.write(t, "providers.d/near.conf", near.url+" "+pktokentest.ClientID+" 24h\n")
			h.write(t, "auth_id.d/near.conf", "alice alice@example.com "+near.url+"\n")
			neighbour := near.login(t, "alice@example.com")
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.op.server.Certificate().Raw})
			h.write(t, "ca.pem", string(ca))
			good := way{proxy.Start(t, h.op.address).URL, filepath.Join(h.config, "ca.pem"), nil, patient}
			bad := good
			broken(t, &bad)
			use := func(w way) {
				h.within = w.within
				h.writeConfig(t, w.wait, fmt.Sprintf("env_vars: {HTTPS_PROXY: %q, SSL_CERT_FILE: %q}", w.proxy, w.authority))
			}
			use(good)
			h.guardFiles(t)

			use(bad)
			h.wantReason(t, h.alice, "keys-unavailable")
			h.wantOthersOut(t)
			use(good)
			h.warm(t)
			wantNeighbourIn := func() {
				t.Helper()
				if a := h.verify(t, neighbour); !a.in(t, neighbour) {
					t.Fatalf("expected that another provider's user gets in, got\n%s", a.stderr)
				}
			}
			wantNeighbourIn()

			use(bad)
			h.wantIn(t)
			h.wantOthersOut(t)
			h.moveCache(t, -3*time.Hour)
			h.wantIn(t)
			h.wantOthersOut(t)
			h.wantCacheSound(t)
			wantNeighbourIn()
			h.moveCache(t, -48*time.Hour)
			h.wantReason(t, h.alice, "keys-unavailable")

			use(good)
			h.wantIn(t)
			h.wantOthersOut(t)
		})
	}
}

// withNameServer is a command that runs another one, for which this name server is the only one.
func withNameServer(t *testing.T, address string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	check(t, os.WriteFile(file, []byte("nameserver "+address+"\noptions timeout:1 attempts:1\n"), 0o644))
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, file}
}

// startNameServer answers each question with what answer makes of it; nil is silence.
func startNameServer(t *testing.T, answer func(question []byte) []byte) (address string) {
	t.Helper()
	address = ownAddress()
	server, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
	check(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1<<12)
		for {
			n, from, err := server.ReadFrom(packet)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				if data := answer(packet[:n]); data != nil {
					_, _ = server.WriteTo(data, from)
				}
			}
		}
	}()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return address
}
