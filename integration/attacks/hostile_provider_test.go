package attacks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"opkssh/pkg/pktoken/pktokentest"
)

// hostileProvider answers as a test wants it to. What it signs is right.
type hostileProvider struct {
	*pktokentest.Issuer

	discovery, keys http.HandlerFunc // nil: an honest answer
	requests        atomic.Int64
	jwks            []byte // the honest answer about keys
	server          *httptest.Server
}

// startHostile serves the provider over http, or over https where tls is true.
func startHostile(t *testing.T, tls bool) *hostileProvider {
	t.Helper()
	p := &hostileProvider{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		switch {
		case r.URL.Path == "/.well-known/openid-configuration" && p.discovery != nil:
			p.discovery(w, r)
		case r.URL.Path == "/.well-known/openid-configuration":
			p.serveJSON(w, p.document(nil))
		case r.URL.Path == "/keys" && p.keys != nil:
			p.keys(w, r)
		default: // wherever it is that somebody was sent to
			p.serveJSON(w, p.jwks)
		}
	})
	if tls {
		p.server = httptest.NewTLSServer(handler)
	} else {
		p.server = httptest.NewServer(handler)
	}
	t.Cleanup(p.server.Close)
	p.use(t, p.server.URL)
	return p
}

// use gives the provider an issuer's name.
func (p *hostileProvider) use(t *testing.T, url string) {
	t.Helper()
	p.Issuer = pktokentest.NewIssuer(t, url, "RS256")
	p.jwks = pktokentest.JWKS(t, p.JWK(t))
}

// document is the discovery document with some members changed; nil leaves one out.
func (p *hostileProvider) document(members object) []byte {
	all := object{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
	for name, value := range members {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return data
}

func (p *hostileProvider) serveJSON(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}

// host believes the provider.
func (p *hostileProvider) host(t *testing.T) *host {
	t.Helper()
	return newHost(t, fmt.Sprintf("%s %s 24h\n", p.URL, pktokentest.ClientID), "alice alice@example.com "+p.URL+"\n")
}
