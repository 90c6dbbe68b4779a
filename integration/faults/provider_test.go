package faults_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// provider is an OpenID provider's public face whose answers and keys can be exchanged while it runs.
type provider struct {
	url     string
	address string
	tls     bool

	mu     sync.Mutex
	server *httptest.Server // nil: connections are refused
	port   *net.TCPListener // the server's
	signs  *pktokentest.Issuer
	fault  http.HandlerFunc // answers instead
	asked  func(path string)
	clock  time.Duration // how far its clock is ahead
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.start(t)
	p.sign(t, "http://"+p.address)
	return p
}

// startNamedProvider is one whose URL has a name that no network knows: there is no way to it but a proxy that leads to its address.
func startNamedProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{tls: true}
	p.start(t)
	p.sign(t, "https://example.com") // which is in httptest's certificate
	return p
}

func (p *provider) start(t *testing.T) {
	t.Helper()
	p.listen(t, net.JoinHostPort(ownAddress(), "0"))
	t.Cleanup(p.refuse)
}

var addresses atomic.Uint32

// ownAddress is a loopback address that nobody else uses: a port that is closed there for a while stays free.
func ownAddress() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>8&63, pid&255, 1+addresses.Add(1)%254)
}

func (p *provider) sign(t *testing.T, url string) {
	t.Helper()
	p.url = url
	p.signs = pktokentest.NewIssuer(t, p.url, "ES256") // a key of its own: RSA keys are shared
	p.signs.Kid = "first"
}

func (p *provider) listen(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	check(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.answer(t, w, r)
	})}}
	if p.tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address, p.server, p.port = listener.Addr().String(), server, listener.(*net.TCPListener)
}

// refuse closes the port. A program that is being started by another test has the socket too, until it runs: shutdown(2) ends it there.
func (p *provider) refuse() {
	p.mu.Lock()
	server, port := p.server, p.port
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		if raw, err := port.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// mend ends every fault.
func (p *provider) mend(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	p.fault, p.asked, p.clock = nil, nil, 0
	down := p.server == nil
	p.mu.Unlock()
	if down {
		p.listen(t, p.address)
	}
}

func (p *provider) breakWith(fault http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *provider) signer() *pktokentest.Issuer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signs
}

// rotate gives the provider a new key and takes the old one from its key set.
func (p *provider) rotate(t *testing.T) {
	t.Helper()
	signs := pktokentest.NewIssuer(t, p.url, "ES256")
	signs.Kid = "second"
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signs = signs
}

func (p *provider) login(t *testing.T, email string) *issuer.Identity {
	t.Helper()
	return (&issuer.Issuer{Issuer: p.signer()}).Login(t, claims(email))
}

func (p *provider) answer(t *testing.T, w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault, asked, signs, clock := p.fault, p.asked, p.signs, p.clock
	p.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", time.Now().Add(clock).UTC().Format(http.TimeFormat))
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": p.url, "authorization_endpoint": p.url + "/auth", "token_endpoint": p.url + "/token", "jwks_uri": p.url + "/keys",
		})
	case "/keys":
		_, _ = w.Write(pktokentest.JWKS(t, signs.JWK(t)))
	default:
		http.NotFound(w, r)
	}
	if asked != nil {
		asked(r.URL.Path)
	}
}

// untilGone answers nothing, as long as somebody waits.
func untilGone(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// TestProviderFaults: with nothing held nobody gets in, and the log says why; with keys held, fresh or old, alice does; and when the
// provider is back, all is as before.
func TestProviderFaults(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	type fault struct {
		answer http.HandlerFunc // nil: connections are refused
		wait   string           // for an answer
	}
	for name, fault := range map[string]fault{
		"refused":           {nil, patient},
		"500":               {status(http.StatusInternalServerError), patient},
		"503":               {status(http.StatusServiceUnavailable), patient},
		"404":               {status(http.StatusNotFound), patient},
		"204":               {status(http.StatusNoContent), patient},
		"never answers":     {untilGone, impatient},
		"closes":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, patient},
		"empty":             {func(http.ResponseWriter, *http.Request) {}, patient},
		"half an answer":    {half, patient},
		"a byte at a time":  {drip, impatient},
		"a page":            {page, patient},
		"keys of nobody":    {emptySet, patient},
		"keys never answer": {keysHang, impatient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.guardFiles(t)
			broken := func() {
				h.writeConfig(t, fault.wait)
				if fault.answer == nil {
					h.op.refuse()
					return
				}
				h.op.breakWith(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Issuer", h.op.url)
					fault.answer(w, r)
				})
			}
			mended := func() {
				h.writeConfig(t, patient)
				h.op.mend(t)
			}
			broken()
			h.wantReason(t, h.alice, "keys-unavailable")
			h.wantOthersOut(t)
			mended()
			h.warm(t)

			broken()
			h.wantIn(t)
			h.wantOthersOut(t)
			h.moveCache(t, -3*time.Hour)
			h.wantIn(t)
			h.wantOthersOut(t)
			h.wantCacheSound(t)
			// Not for ever: a key that the provider has withdrawn must end some time.
			h.moveCache(t, -48*time.Hour)
			h.wantReason(t, h.alice, "keys-unavailable")

			mended()
			h.wantIn(t)
			h.wantOthersOut(t)
		})
	}
}

func half(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"issuer":`))
}

func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for {
		if _, err := w.Write([]byte(" ")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html>log in to this network first</html>"))
}

// withKeys answers the discovery document as it should be, and leaves the keys to what is given.
func withKeys(w http.ResponseWriter, r *http.Request, keys http.HandlerFunc) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/keys" {
		keys(w, r)
		return
	}
	url := w.Header().Get("X-Issuer")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"issuer": url, "authorization_endpoint": url + "/auth", "token_endpoint": url + "/token", "jwks_uri": url + "/keys",
	})
}

func emptySet(w http.ResponseWriter, r *http.Request) {
	withKeys(w, r, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
}

func keysHang(w http.ResponseWriter, r *http.Request) { withKeys(w, r, untilGone) }

// TestRotation: a provider takes a new key into use and the old one out.
func TestRotation(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	h.warm(t)
	h.moveCache(t, -time.Minute) // longer ago than min_refresh
	h.op.rotate(t)
	before := h.alice
	// With the new key's place known to nobody yet, what is held is good for what it was good for.
	h.wantIn(t)
	h.op.refuse()
	h.alice = h.op.login(t, "alice@example.com")
	h.wantReason(t, h.alice, "no-provider-key")
	h.wantReason(t, h.mallory, "provider-signature")
	h.op.mend(t)
	h.moveCache(t, -time.Minute)
	h.wantIn(t)
	h.wantReason(t, before, "no-provider-key")
	h.wantOthersOut(t)
}

// TestRotationBetweenRequests: discovery is answered before the rotation, and the keys after.
func TestRotationBetweenRequests(t *testing.T) {
	h := newHost(t)
	h.guardFiles(t)
	var once sync.Once
	before := h.alice
	h.op.mu.Lock()
	h.op.asked = func(string) { once.Do(func() { h.op.rotate(t) }) }
	h.op.mu.Unlock()
	h.wantReason(t, before, "no-provider-key")
	h.alice = h.op.login(t, "alice@example.com")
	h.wantIn(t)
	h.wantOthersOut(t)
}
