package login

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// pageTimeout is how long the end of a login waits for the browser to have its page.
const pageTimeout = 3 * time.Second

type loopbackServer struct {
	page   *callbackPage
	server *http.Server
	serves sync.WaitGroup
}

func serveLoopback(page *callbackPage, listeners []net.Listener) *loopbackServer {
	handler := ownUserOnly(page)
	if page.remoteHost != "" {
		handler = page // whatever forwards to us may be any user's
	}
	s := &loopbackServer{page: page, server: newPageServer(handler)}
	for _, l := range listeners {
		s.serves.Go(func() { _ = s.server.Serve(l) }) // ends when it is closed
	}
	return s
}

// newPageServer is for one browser that looks at a few pages.
func newPageServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:                      handler,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            10 * time.Second,
		MaxHeaderBytes:               64 << 10,
		ErrorLog:                     log.New(io.Discard, "", 0), // requests may hold codes
	}
	server.SetKeepAlivesEnabled(false)
	return server
}

// close waits for the page of an answer that came. Connections that browsers open in advance are not waited for, which is
// why http.Server.Shutdown does not serve here.
func (s *loopbackServer) close() {
	if s.page.answered.Load() {
		select {
		case <-s.page.shown:
		case <-time.After(pageTimeout):
		}
	}
	_ = s.server.Close()
	s.serves.Wait()
}
