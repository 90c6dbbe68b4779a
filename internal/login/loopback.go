package login

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// isLoopbackHost compares hosts, never prefixes: 127.0.0.1.example.com is somebody's. An IPv4 address in IPv6 clothes is not
// what anybody registers as a redirect URI.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() && !address.Is4In6()
}

// listenFirst opens the first redirect URI whose port is free. They were checked by checkRedirectURI.
func listenFirst(redirectURIs []string) (*url.URL, []net.Listener, error) {
	var busy []error
	for _, uri := range redirectURIs {
		u, err := url.Parse(uri)
		if err != nil {
			return nil, nil, err
		}
		listeners, err := listenAt(u)
		if err == nil {
			return u, listeners, nil
		}
		busy = append(busy, fmt.Errorf("%s: %w", uri, err))
	}
	return nil, nil, &Error{
		Code:   CodePortBusy,
		Detail: "cannot listen on the port of any redirect URI",
		Hint: "end the program that holds one of the ports (another login may be waiting), or configure redirect_uris with a free port, " +
			"which the provider must know too",
		Err: joined(busy),
	}
}

// joined is errors.Join on one line.
func joined(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, "; "))
}

// listenAt listens on both loopback addresses where the host is localhost, since either may be what the browser picks. A port
// that another program holds in one of the families is not free: the browser could end up there. A family that the computer
// does not have is left out.
func listenAt(u *url.URL) ([]net.Listener, error) {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	hosts := []string{u.Hostname()}
	if strings.EqualFold(u.Hostname(), "localhost") {
		hosts = availableLoopbacks()
	}
	if len(hosts) == 0 {
		return nil, errors.New("this computer has no loopback address")
	}
	var listeners []net.Listener
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// availableLoopbacks tries each family on a port that the system chooses: whether a family is missing has no error number
// that all systems share.
func availableLoopbacks() []string {
	var hosts []string
	for _, host := range []string{"127.0.0.1", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			_ = l.Close()
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}
