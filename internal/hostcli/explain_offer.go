package hostcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshcert"
)

// certificateOffer is a certificate that somebody has, verified as at a login.
func certificateOffer(file, cacheDir string, offline bool) (offer, error) {
	data, err := readAnybodys(file)
	if err != nil {
		return nil, &exitError{text: err.Error(), code: exitRefused}
	}
	cert, _, err := sshcert.ParseLine(data)
	if err != nil {
		return nil, &exitError{
			text: fmt.Sprintf("%s: %v", file, err), hint: "opkssh login writes it to NAME-cert.pub beside the private key", code: exitRefused,
		}
	}
	return func(_ context.Context, _ []pktoken.Provider, config *policy.Config, log *findings) (*offered, error) {
		if _, err := os.Stat(cacheDir); err != nil {
			// A folder that we made would not belong to the user that sshd runs the verifier as.
			cacheDir = ""
		}
		cache := &idp.Cache{
			Dir: cacheDir, Offline: offline,
			Network: hostNetwork(config, log.logger().Warn),
			TTL:     config.KeyCache.TTL, MaxStale: config.KeyCache.MaxStale,
			MinRefresh: config.KeyCache.MinRefresh, Timeout: config.KeyCache.Timeout,
			Warn: log.logger().Warn,
		}
		o := &offered{key: cert.SSH(), keys: cache}
		if !offline {
			o.userinfo = cache
		}
		return o, nil
	}, nil
}

// hypotheticalOffer is somebody who has just logged in at the provider.
func hypotheticalOffer(keys *hypotheticalKeys, h *hypothetical) offer {
	return func(_ context.Context, providers []pktoken.Provider, _ *policy.Config, _ *findings) (*offered, error) {
		key, set, err := keys.certificate(h, providers)
		if err != nil {
			return nil, err
		}
		return &offered{key: key, keys: set, hypothetical: true}, nil
	}
}

// recordOffer is the person of a record of the audit log, at the time of the record.
func recordOffer(keys *hypotheticalKeys, r *loggedDecision) offer {
	make := hypotheticalOffer(keys, r.hypothetical())
	return func(ctx context.Context, providers []pktoken.Provider, config *policy.Config, log *findings) (*offered, error) {
		o, err := make(ctx, providers, config, log)
		if err == nil {
			o.keyFingerprint, o.certificateFingerprint = r.KeyFingerprint, r.CertificateFingerprint
		}
		return o, err
	}
}

// identityArguments are the flags that say who somebody would be.
type identityArguments struct {
	issuer, clientID, subject, email string
	claims                           []string
}

var errNoIdentity = errors.New("expected whom: --cert FILE, or --issuer URL with --email, --sub or --claim, or --log ID")

func (a *identityArguments) given() bool {
	return a.issuer != "" || a.clientID != "" || a.subject != "" || a.email != "" || len(a.claims) > 0
}

// hypothetical is the identity as of now.
func (a *identityArguments) hypothetical(now time.Time) (*hypothetical, error) {
	switch {
	case a.issuer == "":
		return nil, errors.New("expected --issuer: an identity means nothing without its provider")
	case a.subject == "" && a.email == "" && len(a.claims) == 0:
		return nil, errNoIdentity
	}
	claims, err := furtherClaims(a.claims)
	if err != nil {
		return nil, err
	}
	return &hypothetical{
		issuer: issuerOf(a.issuer), clientID: a.clientID, subject: a.subject, email: a.email, claims: claims,
		issuedAt: now, expiresAt: now.Add(time.Hour),
	}, nil
}

// furtherClaims reads NAME=VALUE. A name that stands several times is a list.
func furtherClaims(texts []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--claim: expected NAME=VALUE, got %q", text)
		}
		if err := policy.CheckFurtherClaim(name); err != nil {
			return nil, fmt.Errorf("--claim: %w", err)
		}
		switch before := claims[name].(type) {
		case nil:
			claims[name] = value
		case string:
			claims[name] = []any{before, value}
		case []any:
			claims[name] = append(before, value)
		}
	}
	return claims, nil
}

// issuerOf takes a short name such as google for its provider's URL.
func issuerOf(text string) string {
	if known, ok := policy.FindKnownProvider(text); ok {
		return known.Issuer
	}
	return text
}
