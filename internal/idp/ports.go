package idp

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Ports are the TCP ports that requests about issuers go to: 443, those of the issuers and of the proxy, and 53 for names whose
// answer is too long for UDP. A provider that names an endpoint of its own at yet another port is not thought of: see [Probe.Endpoints].
func (n Network) Ports(issuers []string) []uint16 {
	ports := []uint16{53, 443}
	for _, asked := range append(slices.Clone(issuers), n.proxy()) {
		if port := Port(asked); port != 0 && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

var portOfScheme = map[string]uint16{"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

// Port is the TCP port of a URL, or 0.
func Port(address string) uint16 {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	if u.Port() == "" {
		return portOfScheme[u.Scheme]
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// proxy is HTTPS_PROXY as a URL, or "".
func (n Network) proxy() string {
	proxy := n.variable("HTTPS_PROXY")
	if proxy != "" && !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	return proxy
}
