package attacks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDiscovery.
//
// Power: is what answers at the provider's address: the provider itself, or whoever could put something before it.
// Move: sends the host elsewhere, answers without end, slowly or as something else. Each answer has the right keys in it, so that a
// host which took it would let the login in.
// Expected: keys-unavailable, in bounded time and memory.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	blanks := bytes.Repeat([]byte(" "), 1<<16)
	endless := func(w http.ResponseWriter, text []byte) {
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(text); err != nil {
			return
		}
		for range (1 << 30) / len(blanks) {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	}
	slow := func(w http.ResponseWriter, r *http.Request, text []byte) {
		w.Header().Set("Content-Type", "application/json")
		for _, b := range text {
			if _, err := w.Write([]byte{b}); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
	bomb := func(w http.ResponseWriter, text []byte) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		packer := gzip.NewWriter(w)
		_, err := packer.Write(text)
		for i := 0; err == nil && i < (1<<30)/len(blanks); i++ {
			_, err = packer.Write(blanks)
		}
		_ = packer.Close()
	}
	typed := func(w http.ResponseWriter, mediaType string, text []byte) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(text)
	}
	document := func(change func(p *hostileProvider) object) func(*hostileProvider) {
		return func(p *hostileProvider) {
			p.discovery = func(w http.ResponseWriter, _ *http.Request) { p.serveJSON(w, p.document(change(p))) }
		}
	}
	keys := func(answer func(p *hostileProvider, w http.ResponseWriter, r *http.Request)) func(*hostileProvider) {
		return func(p *hostileProvider) { p.keys = func(w http.ResponseWriter, r *http.Request) { answer(p, w, r) } }
	}
	discovery := func(answer func(p *hostileProvider, w http.ResponseWriter, r *http.Request)) func(*hostileProvider) {
		return func(p *hostileProvider) {
			p.discovery = func(w http.ResponseWriter, r *http.Request) { answer(p, w, r) }
		}
	}
	redirect := func(w http.ResponseWriter, r *http.Request, to string) { http.Redirect(w, r, to, http.StatusFound) }

	for _, test := range []struct {
		name   string
		change func(*hostileProvider)
		want   string
	}{
		{"as made", func(*hostileProvider) {}, allowed},
		{"keys elsewhere on the host", document(func(p *hostileProvider) object { return object{"jwks_uri": p.URL + "/other"} }), allowed},
		{"redirected once", keys(func(_ *hostileProvider, w http.ResponseWriter, r *http.Request) { redirect(w, r, "/good") }), allowed},
		{"other issuer", document(func(*hostileProvider) object { return object{"issuer": "https://op.example.com"} }), "keys-unavailable"},
		{"issuer with a slash", document(func(p *hostileProvider) object { return object{"issuer": p.URL + "/"} }), "keys-unavailable"},
		{"issuer in capitals", document(func(p *hostileProvider) object { return object{"issuer": strings.ToUpper(p.URL)} }), "keys-unavailable"},
		{"issuer missing", document(func(*hostileProvider) object { return object{"issuer": nil} }), "keys-unavailable"},
		{"Issuer", document(func(p *hostileProvider) object { return object{"issuer": nil, "Issuer": p.URL} }), "keys-unavailable"},
		{"issuer in an array", document(func(p *hostileProvider) object { return object{"issuer": []string{p.URL}} }), "keys-unavailable"},
		{"issuer twice", discovery(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			p.serveJSON(w, replace("{", `{"issuer":"https://op.example.com",`)(p.document(nil)))
		}), "keys-unavailable"},
		{"keys in a file", document(func(*hostileProvider) object { return object{"jwks_uri": "file:///etc/passwd"} }), "keys-unavailable"},
		{"keys with a user", document(func(p *hostileProvider) object {
			return object{"jwks_uri": strings.Replace(p.URL, "://", "://alice:secret@", 1) + "/keys"}
		}), "keys-unavailable"},
		{"redirects without end", keys(func(_ *hostileProvider, w http.ResponseWriter, r *http.Request) { redirect(w, r, "/keys") }), "keys-unavailable"},
		{"keys of 1 GB", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) { endless(w, p.jwks) }), "keys-unavailable"},
		{"discovery of 1 GB", discovery(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			endless(w, p.document(nil))
		}), "keys-unavailable"},
		{"gzip bomb for keys", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) { bomb(w, p.jwks) }), "keys-unavailable"},
		{"gzip bomb for discovery", discovery(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			bomb(w, p.document(nil))
		}), "keys-unavailable"},
		{"keys at a byte a second", keys(func(p *hostileProvider, w http.ResponseWriter, r *http.Request) { slow(w, r, p.jwks) }), "keys-unavailable"},
		{"discovery at a byte a second", discovery(func(p *hostileProvider, w http.ResponseWriter, r *http.Request) {
			slow(w, r, p.document(nil))
		}), "keys-unavailable"},
		{"no answer", discovery(func(_ *hostileProvider, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "keys-unavailable"},
		{"HTML", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) { typed(w, "text/html", p.jwks) }), "keys-unavailable"},
		{"a picture", discovery(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			typed(w, "image/png", p.document(nil))
		}), "keys-unavailable"},
		{"status 201", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(p.jwks)
		}), "keys-unavailable"},
		{"status 500", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(p.jwks)
		}), "keys-unavailable"},
		{"header of 1 MB", keys(func(p *hostileProvider, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("a", 1<<20))
			p.serveJSON(w, p.jwks)
		}), "keys-unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startHostile(t, false)
			test.change(p)
			p.host(t).attack(t, forge(t, p.Issuer).offer(), test.want)
			if n := p.requests.Load(); n > 10 {
				t.Errorf("expected at most 10 requests, got %d", n)
			}
		})
	}
}

// TestRedirects: from https, where there is something to lose.
//
// Power: controls a redirect at the provider's.
// Move: to plain http, or to an address of the host's own network, where the right keys lie.
// Expected: keys-unavailable.
func TestRedirects(t *testing.T) {
	t.Parallel()
	plain := startHostile(t, false)
	for _, test := range []struct {
		name   string
		public bool // the provider is https://example.com, reached through a proxy
		change func(p *hostileProvider)
		want   string
	}{
		{"as made", false, func(*hostileProvider) {}, allowed},
		{"redirect to http", false, func(p *hostileProvider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, plain.server.URL+"/good", http.StatusFound)
			}
		}, "keys-unavailable"},
		{"keys at http", false, func(p *hostileProvider) {
			p.discovery = func(w http.ResponseWriter, _ *http.Request) {
				p.serveJSON(w, p.document(object{"jwks_uri": plain.server.URL + "/good"}))
			}
		}, "keys-unavailable"},
		{"public as made", true, func(*hostileProvider) {}, allowed},
		{"redirect to a private address", true, func(p *hostileProvider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, p.server.URL+"/good", http.StatusFound)
			}
		}, "keys-unavailable"},
		{"keys at a private address", true, func(p *hostileProvider) {
			p.discovery = func(w http.ResponseWriter, _ *http.Request) {
				p.serveJSON(w, p.document(object{"jwks_uri": p.server.URL + "/good"}))
			}
		}, "keys-unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startHostile(t, true)
			variables := map[string]string{}
			if test.public {
				p.use(t, "https://example.com")
				variables["HTTPS_PROXY"] = startProxy(t, p.server.Listener.Addr().String())
			}
			test.change(p)
			h := p.host(t)
			variables["SSL_CERT_FILE"] = filepath.Join(t.TempDir(), "ca.pem")
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
			check(t, os.WriteFile(variables["SSL_CERT_FILE"], ca, 0o644))
			config := logToStderr + "env_vars:\n"
			for name, value := range variables {
				config += fmt.Sprintf("  %s: %q\n", name, value)
			}
			h.write(t, "config.yml", config)
			h.attack(t, forge(t, p.Issuer).offer(), test.want)
		})
	}
}

// startProxy is a proxy for https that knows one server alone, whatever it is asked for.
func startProxy(t *testing.T, server string) (url string) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.NotFound(w, r)
			return
		}
		far, err := net.Dial("tcp", server)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = far.Close() }()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = near.Close() }()
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestFlood.
//
// Power: may try to log in as often as sshd lets anybody.
// Move: each time with another key ID, or as a token of another issuer, so that the host asks the provider.
// Expected: no-provider-key and unknown-issuer; two requests for all of the first, none for the second.
func TestFlood(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	h.write(t, "config.yml", logToStderr+"key_cache: {min_refresh: 10m}\n")
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
	before := op.Requests()
	var running sync.WaitGroup
	for i := range 40 {
		f := forge(t, op.Issuer)
		want := "no-provider-key"
		f.header["kid"] = fmt.Sprintf("unknown-%d", i)
		if i%4 == 3 {
			f.claims["iss"], want = fmt.Sprintf("https://op-%d.example.com", i), "unknown-issuer"
		}
		o := f.offer()
		running.Go(func() {
			a := h.verify(t, o)
			if decisions := a.log["login"]; a.stdout != "" || len(decisions) != 1 || decisions[0]["reason"] != want {
				t.Errorf("expected the reason %s, got\n%s%s", want, a.stdout, a.stderr)
			}
		})
	}
	running.Wait()
	if n := op.Requests() - before; n > 2 {
		t.Errorf("expected at most two requests, got %d", n)
	}
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
}
