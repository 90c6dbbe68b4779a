package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// front terminates TLS before a provider and counts requests. It can be stopped and started on the same port.
type front struct {
	cert     tls.Certificate
	address  string // 127.0.0.1:PORT
	reserved int    // a socket that is bound to the port and never listens, so that a stopped front keeps its port

	mu      sync.Mutex
	paths   map[string]int
	handler http.Handler
	server  *http.Server // nil while stopped
}

func newFront(t testing.TB, cert tls.Certificate) *front {
	t.Helper()
	f := &front{cert: cert, paths: map[string]int{}, handler: http.NotFoundHandler()}
	var err error
	if f.reserved, f.address, err = reservePort(); err != nil {
		t.Fatalf("reserve a port: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(f.reserved) })
	f.start(t)
	t.Cleanup(func() { f.stop(t) })
	return f
}

// reservePort binds a free port on 127.0.0.1 in such a way that this user can listen on it with SO_REUSEPORT beside it.
func reservePort() (socket int, address string, err error) {
	socket, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, "", err
	}
	err = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(socket)
	}
	if err != nil {
		return -1, "", errors.Join(err, unix.Close(socket))
	}
	return socket, net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port)), nil
}

func (f *front) port() string {
	_, port, err := net.SplitHostPort(f.address)
	if err != nil {
		panic(err) // made by reservePort
	}
	return port
}

// start listens. It does nothing where the front is listening.
func (f *front) start(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		return
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		if controlErr := conn.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); controlErr != nil {
			return controlErr
		}
		return err
	}}
	listener, err := config.Listen(context.Background(), "tcp4", f.address)
	if err != nil {
		t.Fatal(err)
	}
	f.server = &http.Server{
		Handler:   f,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{f.cert}, MinVersion: tls.VersionTLS12},
		// Clients that do not trust the test's authority, or go away, are no news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func(server *http.Server) { _ = server.ServeTLS(listener, "", "") }(f.server)
}

// stop closes the listener and all connections.
func (f *front) stop(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	server := f.server
	f.server = nil
	f.mu.Unlock()
	if server == nil {
		return
	}
	if err := server.Close(); err != nil {
		t.Errorf("stop the provider: %v", err)
	}
}

// serve sets what answers the requests.
func (f *front) serve(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = h
}

// ServeHTTP counts the request and passes it on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.paths[r.URL.Path]++
	h := f.handler
	f.mu.Unlock()
	h.ServeHTTP(w, r)
}

func (f *front) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.paths)
}

func (f *front) resetCounts() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.paths)
}

// proxyTo passes requests on to a server that is reached by dial, with X-Forwarded-* set and the Host header kept.
func proxyTo(dial func(ctx context.Context) (net.Conn, error)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "provider"})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}
