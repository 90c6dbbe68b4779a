package attacks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"opkssh/integration/proxy"
	"opkssh/internal/idp"
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
// Expected: keys-unavailable, with the fault in the detail: in the sandbox, which would not let the port through, and without it.
func TestRedirects(t *testing.T) {
	t.Parallel()
	plain := startHostile(t, false)
	redirect := func(to func(p *hostileProvider) string) func(*hostileProvider) {
		return func(p *hostileProvider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to(p)+"/good", http.StatusFound) }
		}
	}
	keysAt := func(at func(p *hostileProvider) string) func(*hostileProvider) {
		return func(p *hostileProvider) {
			p.discovery = func(w http.ResponseWriter, _ *http.Request) {
				p.serveJSON(w, p.document(object{"jwks_uri": at(p) + "/good"}))
			}
		}
	}
	overHTTP := func(*hostileProvider) string { return plain.server.URL }
	private := func(p *hostileProvider) string { return p.server.URL }
	for _, test := range []struct {
		name   string
		public bool // the provider is https://example.com, reached through a proxy
		change func(p *hostileProvider)
		cause  idp.Reason // "" where the login gets in
	}{
		{"as made", false, func(*hostileProvider) {}, ""},
		{"redirect to http", false, redirect(overHTTP), idp.ReasonRedirect},
		{"keys at http", false, keysAt(overHTTP), idp.ReasonEndpoint},
		{"public as made", true, func(*hostileProvider) {}, ""},
		{"redirect to a private address", true, redirect(private), idp.ReasonAddress},
		{"keys at a private address", true, keysAt(private), idp.ReasonAddress},
	} {
		for _, sandbox := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, sandbox %t", test.name, sandbox), func(t *testing.T) {
				t.Parallel()
				p := startHostile(t, true)
				variables := map[string]string{}
				if test.public {
					p.use(t, "https://example.com")
					variables["HTTPS_PROXY"] = proxy.Start(t, p.server.Listener.Addr().String()).URL
				}
				test.change(p)
				h := p.host(t)
				ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
				variables["SSL_CERT_FILE"] = h.write(t, "ca.pem", string(ca))
				config := logToStderr + fmt.Sprintf("sandbox: %t\nenv_vars:\n", sandbox)
				for name, value := range variables {
					config += fmt.Sprintf("  %s: %q\n", name, value)
				}
				h.write(t, "config.yml", config)
				if test.cause == "" {
					h.attack(t, forge(t, p.Issuer).offer(), allowed)
					return
				}
				a := h.attack(t, forge(t, p.Issuer).offer(), "keys-unavailable")
				if detail, _ := a.log["login"][0]["detail"].(string); !strings.Contains(detail, string(test.cause)) {
					t.Errorf("expected the cause %s, got %s", test.cause, detail)
				}
			})
		}
	}
}
