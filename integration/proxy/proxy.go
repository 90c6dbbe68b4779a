// Package proxy is a proxy for https that a test sends its programs through, to reach its own servers under names that are not theirs.
package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Start runs a proxy (RFC 9110 §9.3.6) that leads to one address, whatever it is asked for, until the test ends or closes it. Its
// URL is for HTTPS_PROXY.
func Start(t testing.TB, address string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { connect(w, r, address) }))
	t.Cleanup(server.Close)
	return server
}

func connect(w http.ResponseWriter, r *http.Request, address string) {
	if r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	far, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = far.Close() }()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = near.Close() }()
	if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(far, buffered)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}
