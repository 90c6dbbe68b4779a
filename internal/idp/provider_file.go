package idp

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"opkssh/pkg/pktoken"
)

const (
	providerFileVersion = "1"
	providerFileSuffix  = ".json"
)

// provider is what is held of one issuer: both documents as they were received.
type provider struct {
	issuer     string
	fetchedAt  time.Time // when the request was made
	freshUntil time.Time
	discovery  string
	jwks       string
	keys       *pktoken.JWKS

	// Of an answer of just now, and not kept: when it came, and what time the provider thought it was.
	answeredAt, clock time.Time
}

// providerFileName has the host for people to read. The hash tells issuers apart.
func providerFileName(issuer string) string {
	host := ""
	if u, err := url.Parse(issuer); err == nil {
		host = strings.ToLower(u.Hostname())
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, host)
	// Never a hidden file, an option or a name that is too long.
	host = strings.TrimLeft(host[:min(len(host), 80)], ".-")
	return fmt.Sprintf("provider-%s-%x", host, sha256.Sum256([]byte(issuer)))
}

// parseProviderFile reads what encode wrote. The documents are strings inside the file: reading the keys costs no parsing
// of the discovery document.
func parseProviderFile(data []byte, issuer string) (*provider, error) {
	object, err := pktoken.ParseObject(data)
	if err != nil {
		return nil, err
	}
	return readProvider(object, issuer)
}

func readProvider(object map[string]any, issuer string) (p *provider, err error) {
	if v := object["version"]; v != json.Number(providerFileVersion) {
		return nil, fmt.Errorf("expected version %s, got %v", providerFileVersion, v)
	}
	p = &provider{}
	var fetchedAt, freshUntil string
	for name, field := range map[string]*string{
		"issuer": &p.issuer, "fetched_at": &fetchedAt, "fresh_until": &freshUntil, "discovery": &p.discovery, "jwks": &p.jwks,
	} {
		var ok bool
		if *field, ok = object[name].(string); !ok {
			return nil, fmt.Errorf("expected a string %q", name)
		}
	}
	if issuer != "" && p.issuer != issuer {
		return nil, errors.New("issuer: " + mismatch(issuer, p.issuer))
	}
	if p.fetchedAt, err = time.Parse(time.RFC3339Nano, fetchedAt); err != nil {
		return nil, err
	}
	if p.freshUntil, err = time.Parse(time.RFC3339Nano, freshUntil); err != nil {
		return nil, err
	}
	if d := p.freshUntil.Sub(p.fetchedAt); d < 0 || d > maxFresh {
		return nil, fmt.Errorf("expected to be fresh for 0 to %v, got %v", maxFresh, d)
	}
	if p.keys, err = pktoken.ParseJWKS([]byte(p.jwks)); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *provider) encode() ([]byte, error) { return encodeFile(p.object()) }

func (p *provider) object() map[string]any {
	return map[string]any{
		"version":     json.Number(providerFileVersion),
		"issuer":      p.issuer,
		"fetched_at":  p.fetchedAt.UTC().Format(time.RFC3339Nano),
		"fresh_until": p.freshUntil.UTC().Format(time.RFC3339Nano),
		"discovery":   p.discovery,
		"jwks":        p.jwks,
	}
}

func encodeFile(object map[string]any) ([]byte, error) {
	data, err := encodeJSON(object)
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// fresh: no need to ask the provider. Documents from the future are not fresh: a clock that jumped must not keep them for ever.
func (p *provider) fresh(now time.Time) bool {
	return p != nil && !p.fetchedAt.After(now) && now.Before(p.freshUntil)
}

// servable: good enough while the provider cannot be asked. maxStale counts from the end of freshness, as in RFC 9111
// §5.2.1.2, and as far into the future.
func (p *provider) servable(now time.Time, maxStale time.Duration) bool {
	return p != nil && now.Before(p.freshUntil.Add(maxStale)) && p.fetchedAt.Before(now.Add(maxStale))
}
