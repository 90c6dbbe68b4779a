package idp

import (
	"fmt"
	"strings"

	"opkssh/pkg/pktoken"
)

// Metadata is what this project uses of a discovery document (OpenID Connect Discovery §3, RFC 8414 §2, RFC 8628 §4,
// RFC 9207 §3). Members that the provider left out are zero. Endpoints are https, or http with a loopback host where the
// issuer is such a URL too.
type Metadata struct {
	Issuer                      string
	AuthorizationEndpoint       string
	TokenEndpoint               string
	DeviceAuthorizationEndpoint string
	UserinfoEndpoint            string
	EndSessionEndpoint          string
	JWKSURI                     string

	ScopesSupported                   []string
	ResponseTypesSupported            []string
	GrantTypesSupported               []string
	CodeChallengeMethodsSupported     []string
	TokenEndpointAuthMethodsSupported []string
	IDTokenSigningAlgValuesSupported  []string
	DPoPSigningAlgValuesSupported     []string // RFC 9449 §5.1

	// AuthorizationResponseIss: the provider sends `iss` with the authorization response (RFC 9207).
	AuthorizationResponseIss bool
}

// discoveryDocument is a document that parsed, and whose issuer is the one that was asked for.
type discoveryDocument struct {
	issuer  string
	members map[string]any
}

func parseDiscovery(data []byte, issuer string) (*discoveryDocument, error) {
	members, err := pktoken.ParseObject(data)
	if err != nil {
		return nil, &Error{Reason: ReasonMalformed, URL: discoveryURL(issuer), Err: err}
	}
	// OpenID Connect Discovery §4.3: exactly the same, a trailing slash included.
	if got, ok := members["issuer"].(string); !ok || got != issuer {
		return nil, &Error{Reason: ReasonIssuerMismatch, URL: discoveryURL(issuer), Detail: mismatch(issuer, got)}
	}
	return &discoveryDocument{issuer: issuer, members: members}, nil
}

// endpoint reads a URL member. Providers write null and "" for what they do not have.
func (d *discoveryDocument) endpoint(name string) (string, error) {
	v := d.members[name]
	if v == nil || v == "" {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", &Error{Reason: ReasonMalformed, URL: discoveryURL(d.issuer), Detail: fmt.Sprintf("member %q is not a string", name)}
	}
	if _, err := parseURL(s, strings.HasPrefix(d.issuer, "http:")); err != nil {
		return "", &Error{Reason: ReasonEndpoint, URL: s, Detail: name, Err: err}
	}
	return s, nil
}

func (d *discoveryDocument) jwksURI() (string, error) {
	uri, err := d.endpoint("jwks_uri")
	if err == nil && uri == "" {
		err = &Error{Reason: ReasonEndpoint, URL: discoveryURL(d.issuer), Detail: "no jwks_uri"}
	}
	return uri, err
}

func (d *discoveryDocument) list(name string) ([]string, error) {
	v := d.members[name]
	if v == nil {
		return nil, nil
	}
	values, ok := v.([]any)
	list := make([]string, 0, len(values))
	for _, value := range values {
		s, isString := value.(string)
		ok = ok && isString
		list = append(list, s)
	}
	if !ok {
		return nil, &Error{Reason: ReasonMalformed, URL: discoveryURL(d.issuer), Detail: fmt.Sprintf("member %q is not an array of strings", name)}
	}
	return list, nil
}

func (d *discoveryDocument) metadata() (*Metadata, error) {
	m := &Metadata{Issuer: d.issuer}
	var err error
	if m.JWKSURI, err = d.jwksURI(); err != nil {
		return nil, err
	}
	for name, field := range map[string]*string{
		"authorization_endpoint":        &m.AuthorizationEndpoint,
		"token_endpoint":                &m.TokenEndpoint,
		"device_authorization_endpoint": &m.DeviceAuthorizationEndpoint,
		"userinfo_endpoint":             &m.UserinfoEndpoint,
		"end_session_endpoint":          &m.EndSessionEndpoint,
	} {
		if *field, err = d.endpoint(name); err != nil {
			return nil, err
		}
	}
	for name, field := range map[string]*[]string{
		"scopes_supported":                      &m.ScopesSupported,
		"response_types_supported":              &m.ResponseTypesSupported,
		"grant_types_supported":                 &m.GrantTypesSupported,
		"code_challenge_methods_supported":      &m.CodeChallengeMethodsSupported,
		"token_endpoint_auth_methods_supported": &m.TokenEndpointAuthMethodsSupported,
		"id_token_signing_alg_values_supported": &m.IDTokenSigningAlgValuesSupported,
		"dpop_signing_alg_values_supported":     &m.DPoPSigningAlgValuesSupported,
	} {
		if *field, err = d.list(name); err != nil {
			return nil, err
		}
	}
	m.AuthorizationResponseIss = d.members["authorization_response_iss_parameter_supported"] == true
	return m, nil
}
