package idp

import (
	"context"
	"net/netip"
	"time"
)

var (
	FreshFor         = freshFor
	IsPrivate        = isPrivate
	NetworkError     = networkError
	ProviderFileName = providerFileName

	ParseUserinfoFile = parseUserinfoFile
)

func ParseProviderFile(data []byte, issuer string) error {
	p, err := parseProviderFile(data, issuer)
	if err == nil {
		_ = p.keys.Usable()
	}
	return err
}

// EncodeProviderFile writes what was read.
func EncodeProviderFile(data []byte, issuer string) ([]byte, error) {
	p, err := parseProviderFile(data, issuer)
	if err != nil {
		return nil, err
	}
	return p.encode()
}

func ParseDiscovery(data []byte, issuer string) (*Metadata, error) {
	d, err := parseDiscovery(data, issuer)
	if err != nil {
		return nil, err
	}
	return d.metadata()
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

// Patience is how long a request may take while keys are held that were fresh until then; a zero time stands for none.
func (c *Cache) Patience(freshUntil time.Time) time.Duration {
	if freshUntil.IsZero() {
		return c.patience(nil)
	}
	return c.patience(&provider{fetchedAt: freshUntil.Add(-time.Hour), freshUntil: freshUntil})
}
