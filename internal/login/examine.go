package login

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

// Verdict is what a provider's documents say about one thing.
type Verdict string

// The verdicts.
const (
	VerdictGood    Verdict = "good"
	VerdictUnknown Verdict = "unknown" // the documents do not say
	VerdictNo      Verdict = "no"      // this will not work, and a login can do without
	VerdictBad     Verdict = "bad"     // no login will work
)

// Finding is one thing that will or will not work with a provider.
type Finding struct {
	Topic   string // login, signatures, keys, client, scopes, refresh, device, key-binding or issuer
	Verdict Verdict
	Detail  string // of printable characters
}

// Examine asks a provider for its documents, and says what will work with it. The error is an [*Error], and means that
// nothing could be examined.
func Examine(ctx context.Context, p Provider, discovery Discoverer, keys pktoken.KeySet) ([]Finding, error) {
	if err := p.check(); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	m, err := discovery.Discover(ctx, p.Issuer)
	if err != nil {
		return nil, noDiscovery(err,
			"give the issuer exactly as the provider calls itself, a slash at the end included, and check the network (a proxy is named by HTTPS_PROXY)")
	}
	return []Finding{
		examineLogin(m), examineSignatures(m), examineKeys(ctx, p, keys), examineClient(p, m), examineScopes(p, m),
		examineRefresh(m), examineDevice(m), examineKeyBinding(p, m), examineIssuer(m),
	}, nil
}

func examineLogin(m *idp.Metadata) Finding {
	f := Finding{Topic: "login", Verdict: VerdictBad}
	switch {
	case m.AuthorizationEndpoint == "":
		f.Detail = "the provider has no authorization_endpoint"
	case m.TokenEndpoint == "":
		f.Detail = "the provider has no token_endpoint"
	case len(m.ResponseTypesSupported) > 0 && !slices.Contains(m.ResponseTypesSupported, "code"):
		f.Detail = "no authorization code flow: response types are " + words(m.ResponseTypesSupported)
	case len(m.GrantTypesSupported) > 0 && !slices.Contains(m.GrantTypesSupported, "authorization_code"):
		f.Detail = "no authorization code flow: grant types are " + words(m.GrantTypesSupported)
	case slices.Contains(m.CodeChallengeMethodsSupported, "S256"):
		f.Verdict, f.Detail = VerdictGood, "browser and paste: authorization code with PKCE (S256)"
	case len(m.CodeChallengeMethodsSupported) > 0:
		f.Detail = "PKCE without S256: methods are " + words(m.CodeChallengeMethodsSupported)
	default:
		f.Verdict, f.Detail = VerdictUnknown, "browser and paste: authorization code; the provider does not say whether it knows PKCE (S256), which is always sent"
	}
	return f
}

// acceptedAlgorithms are the ones that hosts accept of a provider.
var acceptedAlgorithms = pktoken.Algorithms()

func examineSignatures(m *idp.Metadata) Finding {
	var usable []string
	for _, alg := range m.IDTokenSigningAlgValuesSupported {
		if slices.Contains(acceptedAlgorithms, alg) {
			usable = append(usable, alg)
		}
	}
	switch {
	case len(m.IDTokenSigningAlgValuesSupported) == 0:
		return Finding{"signatures", VerdictUnknown, "the provider does not say how it signs; accepted are " + words(acceptedAlgorithms)}
	case len(usable) == 0:
		return Finding{"signatures", VerdictBad, "expected one of " + words(acceptedAlgorithms) + ", got " + words(m.IDTokenSigningAlgValuesSupported)}
	}
	return Finding{"signatures", VerdictGood, words(usable)}
}

func examineKeys(ctx context.Context, p Provider, keys pktoken.KeySet) Finding {
	set, err := keys.Keys(ctx, p.Issuer, nil)
	if err != nil {
		return Finding{"keys", VerdictBad, printable(err.Error(), maxErrorText)}
	}
	return Finding{"keys", VerdictGood, fmt.Sprintf("%d published", set.Usable())}
}

func examineClient(p Provider, m *idp.Metadata) Finding {
	switch {
	case p.ClientSecret != "":
		return Finding{"client", VerdictGood, "with a secret, which is in the configuration of everybody who uses this client"}
	case slices.Contains(m.TokenEndpointAuthMethodsSupported, "none"):
		return Finding{"client", VerdictGood, "public: no secret"}
	}
	return Finding{"client", VerdictUnknown, "the provider does not say that it has public clients; if the login ends in invalid_client, it wants a secret"}
}

func examineScopes(p Provider, m *idp.Metadata) Finding {
	var missing []string
	for _, scope := range p.Scopes {
		if !slices.Contains(m.ScopesSupported, scope) {
			missing = append(missing, scope)
		}
	}
	others := ""
	if slices.Contains(m.ScopesSupported, "groups") && !slices.Contains(p.Scopes, "groups") {
		others = "; there is also groups"
	}
	switch {
	case len(m.ScopesSupported) == 0:
		return Finding{"scopes", VerdictUnknown, "the provider does not say which it has"}
	case len(missing) > 0:
		return Finding{"scopes", VerdictUnknown, "the provider does not list " + words(missing) + others}
	}
	return Finding{"scopes", VerdictGood, words(p.Scopes) + others}
}

func examineRefresh(m *idp.Metadata) Finding {
	switch {
	case len(m.GrantTypesSupported) > 0 && !slices.Contains(m.GrantTypesSupported, "refresh_token"):
		return Finding{"refresh", VerdictNo, "no grant type refresh_token: keys end with their login"}
	case slices.Contains(m.ScopesSupported, offlineAccess):
		return Finding{"refresh", VerdictGood, "with refresh: true, or the scope offline_access"}
	case len(m.GrantTypesSupported) > 0:
		return Finding{"refresh", VerdictGood, "with refresh: true"}
	}
	return Finding{"refresh", VerdictUnknown, "the provider does not say which grant types it has"}
}

func examineDevice(m *idp.Metadata) Finding {
	if m.DeviceAuthorizationEndpoint == "" {
		return Finding{"device", VerdictNo, "no device_authorization_endpoint: without a browser, log in with --flow paste"}
	}
	return Finding{"device", VerdictUnknown, "there is a device flow; whether it returns the nonce shows at the first login with it"}
}

func examineKeyBinding(p Provider, m *idp.Metadata) Finding {
	switch {
	case slices.Contains(m.ScopesSupported, boundKeyScope):
		return Finding{"key-binding", VerdictGood, "with key_binding: true here, and commitment=cnf on hosts"}
	case p.KeyBinding:
		return Finding{"key-binding", VerdictUnknown, "the provider does not list the scope bound_key"}
	}
	return Finding{"key-binding", VerdictNo, "no scope bound_key: leave key_binding out"}
}

func examineIssuer(m *idp.Metadata) Finding {
	if m.AuthorizationResponseIss {
		return Finding{"issuer", VerdictGood, "named in the answer to the browser, and checked (RFC 9207)"}
	}
	return Finding{"issuer", VerdictNo, "not named in the answer to the browser (RFC 9207); the ID token names it"}
}

// words joins what a provider said.
func words(list []string) string { return printable(strings.Join(list, " "), maxErrorText) }
