package idp

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

const maxURLLength = 2048

// CheckIssuer says why a string cannot be an issuer: OpenID Connect Discovery §2 wants an https URL without query and
// fragment; http is for a loopback host alone. The error is an [*Error] with [ReasonIssuer].
func CheckIssuer(issuer string) error {
	u, err := parseURL(issuer, true)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		err = errors.New("query in an issuer")
	}
	if err != nil {
		return &Error{Reason: ReasonIssuer, URL: issuer, Err: err}
	}
	return nil
}

// parseURL takes an absolute https URL, or an http one with a loopback host where plainAllowed.
func parseURL(s string, plainAllowed bool) (*url.URL, error) {
	if len(s) > maxURLLength {
		return nil, errors.New("URL longer than 2048 bytes")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && plainAllowed && isLoopbackHost(u.Hostname()):
	case u.Scheme == "http" && plainAllowed:
		return nil, errors.New("expected https (http is for a loopback host)")
	default:
		return nil, errors.New("expected https")
	}
	switch {
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("URL without a host")
	case u.User != nil:
		return nil, errors.New("user name in a URL")
	case strings.Contains(s, "#"):
		return nil, errors.New("fragment in a URL")
	}
	return u, nil
}

// isLoopbackHost compares hosts, never prefixes: 127.0.0.1.example.com is somebody's.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}
