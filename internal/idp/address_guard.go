package idp

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// addressGuard keeps a provider on a public address from sending us into the private network.
type addressGuard struct {
	issuerHost string
	lookup     func(ctx context.Context, host string) ([]netip.Addr, error)
}

func (g *addressGuard) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.check(ctx, host, to.Addr())
	}}
	return dialer.DialContext(ctx, network, hostPort)
}

// check looks at an address before a connection to it is made. host is the name that it was found under.
func (g *addressGuard) check(ctx context.Context, host string, address netip.Addr) error {
	// Plain http rests on the name being local.
	if strings.EqualFold(host, "localhost") && !address.Unmap().IsLoopback() {
		return &Error{Reason: ReasonAddress, URL: host, Detail: "localhost is at " + address.String()}
	}
	if !isPrivate(address) || strings.EqualFold(host, g.issuerHost) {
		return nil
	}
	addresses, err := g.lookup(ctx, g.issuerHost)
	private := err == nil && len(addresses) > 0
	for _, a := range addresses {
		private = private && isPrivate(a)
	}
	if !private {
		return &Error{Reason: ReasonAddress, URL: host, Detail: "private address " + address.String() + " given by a provider that is at none"}
	}
	return nil
}

var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),     // RFC 791: this network
	netip.MustParsePrefix("100.64.0.0/10"), // RFC 6598: carriers and overlay networks
	netip.MustParsePrefix("192.0.0.0/24"),  // RFC 6890: protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"), // RFC 2544: benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),   // RFC 1112: reserved, and broadcast
}

// nat64 is RFC 6052's prefix: an IPv4 address is in the last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// isPrivate is true for whatever is not an ordinary address of the public Internet.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		bytes := a.As16()
		a = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	for _, r := range privateRanges {
		if r.Contains(a) {
			return true
		}
	}
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}
