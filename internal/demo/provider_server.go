package demo

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// providerServer is a [Provider] at http://127.0.0.1:PORT, which is its issuer.
type providerServer struct {
	*Provider
	address string // host:port
	server  *http.Server
	served  chan error // nil once closed
}

// startProvider fills in the issuer of config.
func startProvider(config ProviderConfig) (*providerServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config.Issuer = "http://" + listener.Addr().String()
	provider, err := NewProvider(config)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p := &providerServer{
		Provider: provider,
		address:  listener.Addr().String(),
		server:   &http.Server{Handler: provider, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)},
		served:   make(chan error, 1),
	}
	go func() { p.served <- p.server.Serve(listener) }()
	return p, nil
}

// close ends the server and all connections; its address then refuses them. A second call does nothing.
func (p *providerServer) close() error {
	if p.served == nil {
		return nil
	}
	err := p.server.Close()
	if served := <-p.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	p.served = nil
	return err
}
