package idp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

const (
	maxAnswer      = 1 << 20
	maxHeader      = 64 << 10
	maxRedirects   = 5
	requestTimeout = 30 * time.Second
)

// Network is how providers are reached. The zero value connects directly and trusts the system's root certificates.
type Network struct {
	// Getenv looks up HTTPS_PROXY and NO_PROXY (also in lower case), SSL_CERT_FILE and SSL_CERT_DIR. The certificates of
	// the last two are trusted beside the others. nil finds none of them set. There is no use for HTTP_PROXY: plain http is
	// for loopback hosts, which are never reached through a proxy.
	Getenv func(name string) string
	// Certificates reads the files of SSL_CERT_FILE and SSL_CERT_DIR. nil reads them whoever could have written them.
	Certificates CertificateFiles
	// Roots are trusted instead of the system's root certificates.
	Roots *x509.CertPool
	// CAFile names a file with certificates, PEM, that are trusted beside the others: see [CheckCAFile]. "" is none.
	CAFile string

	// lookup is net.DefaultResolver's where it is nil.
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Client makes an HTTP client for one issuer's endpoints. It wants TLS 1.2, follows at most five redirects and none to
// another scheme, and ends an answer at 1 MiB after decompression with an error. Every request ends after 30 s; the caller's
// context may end it earlier.
//
// Only an issuer that is itself at a private, loopback or link-local address can send the client to one, be it by redirect
// or in its discovery document. That is checked on the address of the connection, so that names cannot change between check
// and use. What a proxy connects to is the proxy's to check; an address written in a URL is checked here.
//
// Certificate files are read by this call. The error is an [*Error].
func (n Network) Client(issuer string) (*http.Client, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, &Error{Reason: ReasonIssuer, URL: issuer, Detail: "not a URL"}
	}
	roots, err := n.rootCertificates()
	if err != nil {
		return nil, err
	}
	proxyFor, err := n.proxyFor()
	if err != nil {
		return nil, &Error{Reason: ReasonProxy, Err: err}
	}
	guard := &addressGuard{issuerHost: u.Hostname(), lookup: n.lookup}
	if guard.lookup == nil {
		guard.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	direct := &http.Transport{
		DialContext:            guard.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		MaxResponseHeaderBytes: maxHeader,
	}
	// The proxy may well be at a private address, so its connections are not guarded.
	proxied := direct.Clone()
	proxied.DialContext = nil
	proxied.Proxy = func(r *http.Request) (*url.URL, error) { return proxyFor(r.URL) }

	return &http.Client{
		Transport:     &transport{direct: direct, proxied: proxied, proxyFor: proxyFor, guard: guard},
		CheckRedirect: checkRedirect,
		Timeout:       requestTimeout,
	}, nil
}

// proxyFor checks the proxy's URL itself, because httpproxy passes over one that it cannot read and connects directly. The
// value may hold a password, so no error repeats it.
func (n Network) proxyFor() (func(*url.URL) (*url.URL, error), error) {
	proxy := n.proxy()
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return nil, errors.New("HTTPS_PROXY: expected host:port or an http, https, socks5 or socks5h URL")
		}
	}
	settings := httpproxy.Config{HTTPSProxy: proxy, NoProxy: n.variable("NO_PROXY")}
	return settings.ProxyFunc(), nil
}

func (n Network) variable(name string) string {
	if n.Getenv == nil {
		return ""
	}
	if v := n.Getenv(name); v != "" {
		return v
	}
	return n.Getenv(strings.ToLower(name))
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return &Error{Reason: ReasonRedirect, URL: via[0].URL.String(), Detail: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	if from := via[0].URL.Scheme; r.URL.Scheme != from {
		return &Error{Reason: ReasonRedirect, URL: via[0].URL.String(), Detail: "scheme: " + mismatch(from, r.URL.Scheme)}
	}
	if _, err := parseURL(r.URL.String(), true); err != nil {
		return &Error{Reason: ReasonRedirect, URL: via[0].URL.String(), Err: err}
	}
	return nil
}

// transport sends each request, redirected ones too, either through the proxy or over a guarded connection.
type transport struct {
	direct, proxied *http.Transport
	proxyFor        func(*url.URL) (*url.URL, error)
	guard           *addressGuard
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	proxy, err := t.proxyFor(r.URL)
	if err != nil {
		return nil, &Error{Reason: ReasonProxy, Err: err}
	}
	via := t.direct
	if proxy != nil {
		via = t.proxied
		if address, err := netip.ParseAddr(r.URL.Hostname()); err == nil {
			if err := t.guard.check(r.Context(), r.URL.Hostname(), address); err != nil {
				return nil, err
			}
		}
	}
	answer, err := via.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	// The transport has already taken the compression off.
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	return answer, nil
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach both transports.
func (t *transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.proxied.CloseIdleConnections()
}
