package policy

import (
	"errors"
	"fmt"
	"strings"

	"opkssh/pkg/pktoken"
)

// ParseProviders reads /etc/opk/providers or a file of providers.d: rows of issuer, client ID, expiration policy and options.
// The expiration policy is oidc, oidc_refreshed (oidc-refreshed), never, or an age such as 24h, 7d or 1week. Options are
// words of their own:
//
//	commitment=nonce|aud|gq|cnf   where the token commits to the key; without it, aud for GitHub and Forgejo Actions, else nonce
//	typ=at+jwt                    access tokens (RFC 9068) are believed too
//	aud=array                     for commitment=aud and gq: `aud` may be an array of one string, as Kubernetes writes it
//	require=CLAIM:VALUE           the token must hold it; may be repeated
//	acr=VALUE                     the token's `acr`
//	max-auth-age=DURATION         most time since `auth_time`
//
// file is for messages; each row's Origin is "file:line".
func ParseProviders(file string, data []byte) (rows []pktoken.Provider, problems []Problem) {
	for number, line := range lines(data) {
		p, f := parseProvider(string(line))
		switch {
		case f != nil:
			problems = append(problems, f.problem(file, number))
		case p != nil:
			p.Origin = fmt.Sprintf("%s:%d", file, number)
			rows = append(rows, *p)
		}
	}
	return rows, problems
}

// parseProvider gives nil for an empty row.
func parseProvider(line string) (*pktoken.Provider, *fault) {
	r := row{line: line}
	var words []word
	for {
		w, ok, f := r.next()
		if f != nil {
			return nil, f
		}
		if !ok {
			break
		}
		words = append(words, w)
	}
	switch {
	case len(words) == 0:
		return nil, nil
	case len(words) < 3:
		return nil, faultAt(words[0].column, "expected issuer, client ID and expiration, got %d of them", len(words))
	}
	issuer, clientID, expiry := words[0], words[1], words[2]
	p := &pktoken.Provider{Issuer: issuer.text, ClientID: clientID.text, Commitment: defaultCommitment(issuer.text)}
	if err := checkIssuer(p.Issuer); err != nil {
		return nil, faultAt(issuer.column, "%s", err)
	}
	if strings.TrimSpace(p.ClientID) == "" {
		return nil, faultAt(clientID.column, "the client ID is empty")
	}
	var err error
	if p.Expiry, err = parseExpiry(expiry.text); err != nil {
		return nil, faultAt(expiry.column, "expiration: %s", err)
	}
	seen := map[string]bool{}
	for _, w := range words[3:] {
		name, value, _ := strings.Cut(w.text, "=")
		if seen[name] && name != "require" {
			return nil, faultAt(w.column, "option %s stands twice", quoteShort(name))
		}
		seen[name] = true
		if err := setProviderOption(p, name, value); err != nil {
			return nil, faultAt(w.column, "%s", err)
		}
	}
	// Any other client ID stands for every audience with the prefix, which is not what this one was meant for.
	nearPrefix := strings.TrimSuffix(pktoken.GQAudiencePrefix, ":")
	if p.Commitment == pktoken.CommitmentGQ && hasPrefixFoldASCII(p.ClientID, nearPrefix) && !strings.HasPrefix(p.ClientID, pktoken.GQAudiencePrefix) {
		return nil, faultAt(clientID.column, "client ID with commitment=gq: expected %s…, got %s", pktoken.GQAudiencePrefix, quoteShort(p.ClientID))
	}
	return p, nil
}

func parseExpiry(s string) (pktoken.Expiry, error) {
	switch s {
	case "oidc":
		return pktoken.Expiry{Kind: pktoken.ExpiryOIDC}, nil
	case "oidc_refreshed", "oidc-refreshed":
		return pktoken.Expiry{Kind: pktoken.ExpiryOIDCRefreshed}, nil
	case "never":
		return pktoken.Expiry{Kind: pktoken.ExpiryNever}, nil
	}
	age, err := parseDuration(s)
	if err != nil {
		return pktoken.Expiry{}, fmt.Errorf("%w (or oidc, oidc_refreshed, never)", err)
	}
	return pktoken.Expiry{Kind: pktoken.ExpiryMaxAge, MaxAge: age}, nil
}

func setProviderOption(p *pktoken.Provider, name, value string) (err error) {
	switch name {
	case "commitment":
		var ok bool
		if p.Commitment, ok = pktoken.ParseCommitment(value); !ok {
			return fmt.Errorf("commitment: expected nonce, aud, gq or cnf, got %s", quoteShort(value))
		}
	case "typ":
		if value != "at+jwt" {
			return fmt.Errorf("typ: expected at+jwt, got %s", quoteShort(value))
		}
		p.AllowAccessTokenType = true
	case "aud":
		if value != "array" {
			return fmt.Errorf("aud: expected array, got %s", quoteShort(value))
		}
		p.AllowAudienceArray = true
	case "require":
		claim, want, err := splitClaim(value)
		if err != nil {
			return fmt.Errorf("require: %w", err)
		}
		p.Require = append(p.Require, pktoken.ClaimRequirement{Name: claim, Value: want})
	case "acr":
		if p.ACR = value; strings.TrimSpace(value) == "" {
			return errors.New("acr: expected a value, got none")
		}
	case "max-auth-age":
		if p.MaxAuthAge, err = parseDuration(value); err != nil {
			return fmt.Errorf("max-auth-age: %w", err)
		}
	default:
		return unknownName("option", name, []string{"commitment", "typ", "aud", "require", "acr", "max-auth-age"})
	}
	return nil
}
