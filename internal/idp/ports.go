package idp

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Ports are the TCP ports that requests about issuers go to: 443, those of the issuers and of the proxy, and 53 for names whose
// answer is too long for UDP. A provider that names an endpoint of its own at yet another port is not thought of.
func (n Network) Ports(issuers []string) []uint16 {
	ports := []uint16{53, 443}
	add := func(u *url.URL, ofScheme map[string]uint16) {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			port = uint64(ofScheme[u.Scheme])
		}
		if port != 0 && !slices.Contains(ports, uint16(port)) {
			ports = append(ports, uint16(port))
		}
	}
	for _, issuer := range issuers {
		if u, err := url.Parse(issuer); err == nil {
			add(u, map[string]uint16{"https": 443, "http": 80})
		}
	}
	if proxy := n.proxy(); proxy != "" {
		if u, err := url.Parse(proxy); err == nil {
			add(u, map[string]uint16{"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080})
		}
	}
	return ports
}

// proxy is HTTPS_PROXY as a URL, or "".
func (n Network) proxy() string {
	proxy := n.variable("HTTPS_PROXY")
	if proxy != "" && !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	return proxy
}
