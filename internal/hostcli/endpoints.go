package hostcli

import (
	"net/netip"
	"strconv"
	"strings"
)

// endpoints are a connection's two ends, as sshd's token %C has them: "client-address client-port server-address server-port".
type endpoints struct {
	source, server netip.AddrPort
}

func parseEndpoints(token string) (e endpoints, ok bool) {
	words := strings.Split(token, " ")
	if len(words) != 4 {
		return e, false
	}
	for i, end := range []*netip.AddrPort{&e.source, &e.server} {
		address, err := netip.ParseAddr(words[2*i])
		if err != nil {
			return e, false
		}
		port, err := strconv.ParseUint(words[2*i+1], 10, 16)
		if err != nil {
			return e, false
		}
		*end = netip.AddrPortFrom(address, uint16(port))
	}
	return e, true
}
