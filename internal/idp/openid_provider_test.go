package idp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

// openIDProvider is a provider on loopback whose answers a test can replace by path.
type openIDProvider struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	requests map[string]int
	answers  map[string]http.HandlerFunc
	issuer   string
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/keys"
	userinfoPath  = "/userinfo"
)

func newProvider(t testing.TB) *openIDProvider {
	t.Helper()
	op := &openIDProvider{t: t, requests: map[string]int{}, answers: map[string]http.HandlerFunc{}}
	op.Server = httptest.NewUnstartedServer(http.HandlerFunc(op.serve))
	op.Config.ErrorLog = log.New(io.Discard, "", 0)
	op.StartTLS()
	t.Cleanup(op.Close)
	op.issuer = op.URL
	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(op.discovery(nil)) })
	op.setKeys("one")
	return op
}

func (op *openIDProvider) serve(w http.ResponseWriter, r *http.Request) {
	op.mu.Lock()
	op.requests[r.URL.Path]++
	answer := op.answers[r.URL.Path]
	op.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

func (op *openIDProvider) set(path string, answer http.HandlerFunc) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.answers[path] = answer
}

func (op *openIDProvider) get(path string) http.HandlerFunc {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.answers[path]
}

// count returns the requests since the last count.
func (op *openIDProvider) count(path string) int {
	op.mu.Lock()
	defer op.mu.Unlock()
	n := op.requests[path]
	op.requests[path] = 0
	return n
}

func (op *openIDProvider) wantRequests(discovery, jwks int) {
	op.t.Helper()
	if d, j := op.count(discoveryPath), op.count(jwksPath); d != discovery || j != jwks {
		op.t.Errorf("expected %d discovery and %d key set requests, got %d and %d", discovery, jwks, d, j)
	}
}

// discovery is the document; members replaces some of it.
func (op *openIDProvider) discovery(members map[string]any) []byte {
	document := map[string]any{
		"issuer":                                         op.issuer,
		"jwks_uri":                                       op.URL + jwksPath,
		"userinfo_endpoint":                              op.URL + userinfoPath,
		"authorization_endpoint":                         op.URL + "/authorize",
		"token_endpoint":                                 op.URL + "/token",
		"device_authorization_endpoint":                  op.URL + "/device",
		"end_session_endpoint":                           nil,
		"scopes_supported":                               []string{"openid", "email"},
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          []string{"authorization_code"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"authorization_response_iss_parameter_supported": true,
	}
	for name, value := range members {
		document[name] = value
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		op.t.Error(err)
	}
	return encoded
}

func (op *openIDProvider) setKeys(ids ...string) {
	op.t.Helper()
	document := jwks(op.t, ids...)
	op.set(jwksPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) })
}

func (op *openIDProvider) down() {
	fail := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	op.set(discoveryPath, fail)
}

// hold keeps requests waiting until they are released, at the latest when the test ends. asked says that there is one.
func (op *openIDProvider) hold(path string) (asked <-chan struct{}, release func()) {
	answer, waiting, gate := op.get(path), make(chan struct{}, 10), make(chan struct{})
	op.set(path, func(w http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-gate
		answer(w, r)
	})
	release = sync.OnceFunc(func() { close(gate); op.set(path, answer) })
	op.t.Cleanup(release)
	return waiting, release
}

func (op *openIDProvider) up() {
	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(op.discovery(nil)) })
}

func (op *openIDProvider) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(op.Certificate())
	return pool
}

func jwks(t testing.TB, ids ...string) []byte {
	t.Helper()
	keys := []map[string]string{}
	for _, id := range ids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, map[string]string{"kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "use": "sig",
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])})
	}
	document, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newCache never runs out of time on a slow machine.
func (op *openIDProvider) newCache(dir string, now *clock) *idp.Cache {
	return &idp.Cache{Dir: dir, Network: idp.Network{Roots: op.roots()}, Timeout: time.Minute, Now: now.Now}
}

func wantReason(t *testing.T, err error, want idp.Reason) {
	t.Helper()
	var got *idp.Error
	if !errors.As(err, &got) || got.Reason != want {
		t.Errorf("expected reason %s, got %v", want, err)
	}
}

func hasKey(id string) func(*pktoken.JWKS) bool {
	return func(set *pktoken.JWKS) bool {
		for _, have := range set.KeyIDs() {
			if have == id {
				return true
			}
		}
		return false
	}
}

// wantKey calls Keys for one key ID.
func wantKey(t *testing.T, c *idp.Cache, issuer, id string, found bool) {
	t.Helper()
	set, err := c.Keys(context.Background(), issuer, hasKey(id))
	if err != nil {
		t.Fatal(err)
	}
	if hasKey(id)(set) != found {
		t.Errorf("key %q found: expected %t, got key IDs %q", id, found, set.KeyIDs())
	}
}
