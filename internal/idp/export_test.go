package idp

import (
	"context"
	"net/netip"
)

var (
	FreshFor         = freshFor
	IsPrivate        = isPrivate
	ProviderFileName = providerFileName
)

func ParseProviderFile(data []byte, issuer string) error {
	p, err := parseProviderFile(data, issuer)
	if err == nil {
		_ = p.keys.Usable()
	}
	return err
}

func (n Network) WithLookup(lookup func(ctx context.Context, host string) ([]netip.Addr, error)) Network {
	n.lookup = lookup
	return n
}

// CheckAddress is what happens when host is found at address while an issuer's documents are fetched.
func CheckAddress(issuerHost string, issuerAt []netip.Addr, host string, address netip.Addr) error {
	guard := addressGuard{issuerHost, func(context.Context, string) ([]netip.Addr, error) { return issuerAt, nil }}
	return guard.check(context.Background(), host, address)
}
