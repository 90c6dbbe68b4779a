package idp

import (
	"slices"
	"testing"
)

func TestPorts(t *testing.T) {
	for name, test := range map[string]struct {
		issuers []string
		proxy   string
		want    []uint16
	}{
		"nothing":              {want: []uint16{53, 443}},
		"the usual port":       {issuers: []string{"https://op.example.com", "https://op.example.com:443/realm"}, want: []uint16{53, 443}},
		"other ports":          {issuers: []string{"https://a.example.com:8443/x", "http://localhost:5556", "http://127.0.0.1"}, want: []uint16{53, 443, 8443, 5556, 80}},
		"an IPv6 address":      {issuers: []string{"https://[2001:db8::1]:9443"}, want: []uint16{53, 443, 9443}},
		"what is no issuer":    {issuers: []string{"", "::", "https://a.example.com:99999"}, want: []uint16{53, 443}},
		"a proxy":              {proxy: "proxy.example.com:3128", want: []uint16{53, 443, 3128}},
		"a proxy without port": {proxy: "http://proxy.example.com", want: []uint16{53, 443, 80}},
		"a SOCKS proxy":        {proxy: "socks5h://proxy.example.com", want: []uint16{53, 443, 1080}},
	} {
		t.Run(name, func(t *testing.T) {
			network := Network{Getenv: func(variable string) string {
				if variable == "https_proxy" {
					return test.proxy
				}
				return ""
			}}
			if got := network.Ports(test.issuers); !slices.Equal(got, test.want) {
				t.Errorf("expected %v, got %v", test.want, got)
			}
		})
	}
}
