package idp

import (
	"context"
	"net/http"
	"time"
)

// Probe is a provider's answer of just now.
type Probe struct {
	KeyIDs     []string
	Endpoints  []string      // that a login asks: for keys and, if there is one, for userinfo
	Algorithms []string      // id_token_signing_alg_values_supported
	FreshFor   time.Duration // how long the keys would be used without asking again
	Took       time.Duration // until the discovery document was there

	// Skew is how far the provider's clock is ahead of ours, at least; it is negative where it is behind, and zero where no
	// difference shows. SkewKnown is false where the provider does not tell its time.
	Skew      time.Duration
	SkewKnown bool
}

// Probe asks a provider as a login would, and keeps nothing of the answer. Errors are [*Error].
func (c *Cache) Probe(ctx context.Context, issuer string) (*Probe, error) {
	if err := CheckIssuer(issuer); err != nil {
		return nil, err
	}
	p, err := c.fetch(ctx, issuer, nil)
	if err != nil {
		return nil, err
	}
	document, err := parseDiscovery([]byte(p.discovery), issuer)
	if err != nil {
		return nil, err
	}
	metadata, err := document.metadata()
	if err != nil {
		return nil, err
	}
	keys, err := document.jwksURI()
	if err != nil {
		return nil, err
	}
	endpoints := []string{keys}
	if metadata.UserinfoEndpoint != "" {
		endpoints = append(endpoints, metadata.UserinfoEndpoint)
	}
	return &Probe{
		KeyIDs: p.keys.KeyIDs(), Endpoints: endpoints, Algorithms: metadata.IDTokenSigningAlgValuesSupported,
		FreshFor: p.freshUntil.Sub(p.fetchedAt), Took: p.answeredAt.Sub(p.fetchedAt),
		Skew: skew(p.fetchedAt, p.answeredAt, p.clock), SkewKnown: !p.clock.IsZero(),
	}, nil
}

// clockOf is the time at the provider when it answered: Date, and for how long a cache in between held the answer since
// (RFC 9110 §6.6.1, RFC 9111 §5.1). Zero if the answer does not say.
func clockOf(header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	if age, ok := seconds(header.Get("Age")); ok {
		date = date.Add(age)
	}
	return date
}

// skew is what cannot be explained by the time that the answer took, and by Date and Age being in whole seconds.
func skew(asked, answered, clock time.Time) time.Duration {
	const rounding = 2 * time.Second
	switch {
	case clock.IsZero():
		return 0
	case clock.After(answered.Add(rounding)):
		return clock.Sub(answered)
	case clock.Before(asked.Add(-rounding)):
		return clock.Sub(asked)
	}
	return 0
}
