package login

import (
	"net/url"
	"slices"
	"strings"

	"opkssh/internal/idp"
)

// The aliases of CI systems. They are for programs that run in a job of such a system, and never offered to people.
const (
	aliasGitHub   = "github"
	aliasForgejo  = "forgejo"
	aliasCodeberg = "codeberg"
	aliasGitLabCI = "gitlab-ci"
)

const (
	gitHubIssuer = "https://token.actions.githubusercontent.com"
	// gitHubHosts is where GitHub's runners get ID tokens: any host below it.
	gitHubHosts  = ".actions.githubusercontent.com"
	codebergHost = "codeberg.org"
	// forgejoIssuer ends the path of a Forgejo's issuer.
	forgejoIssuer = "/api/actions"

	requestURLVariable   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	requestTokenVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	gitLabTokenVariable  = "OPENPUBKEY_JWT"
)

// CISystem is a CI system in one of whose jobs this program runs.
type CISystem struct {
	Alias  string
	Issuer string
	Source IDTokenSource
}

// CIAliases are the aliases that [FindCISystem] knows.
func CIAliases() []string {
	return []string{aliasGitHub, aliasForgejo, aliasCodeberg, aliasGitLabCI}
}

// CISystems are those whose environment is there and complete. getenv looks up environment variables.
func CISystems(getenv func(string) string, network idp.Network) []CISystem {
	var systems []CISystem
	for _, alias := range CIAliases() {
		if s, err := FindCISystem(alias, getenv, network); err == nil {
			systems = append(systems, *s)
		}
	}
	return systems
}

// FindCISystem gives the CI system with the alias. Where the environment is not that of a job that may have ID tokens, the
// error is an [*Error] with [CodeCI] that says what is missing, and with a hint. An alias that is not among [CIAliases] is
// [CodeUnknownProvider].
func FindCISystem(alias string, getenv func(string) string, network idp.Network) (*CISystem, error) {
	s, err := &CISystem{Alias: alias}, error(nil)
	switch alias {
	case aliasGitHub:
		s.Issuer = gitHubIssuer
		s.Source, err = gitHubActions(getenv, network)
	case aliasForgejo, aliasCodeberg:
		s.Issuer, s.Source, err = forgejoActions(alias, getenv, network)
	case aliasGitLabCI:
		s.Issuer = getenv("CI_SERVER_URL")
		s.Source, err = gitLabCI(getenv)
	default:
		err = &Error{
			Code: CodeUnknownProvider, Detail: "no CI system has this alias",
			Expected: strings.Join(CIAliases(), ", "), Got: printable(alias, 100),
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func gitHubActions(getenv func(string) string, network idp.Network) (IDTokenSource, error) {
	hint := "the workflow or job needs `permissions: {id-token: write}`; pull requests from forks do not get it"
	request, err := actionsRequest(getenv, network, hint)
	if err != nil {
		return nil, err
	}
	// Compared as a host: a prefix or a part of the URL could be anybody's.
	if host := strings.ToLower(request.endpoint.Hostname()); !strings.HasSuffix(host, gitHubHosts) {
		e := &Error{
			Code: CodeCI, Detail: requestURLVariable + " is not GitHub's",
			Expected: "a host that ends in " + gitHubHosts, Got: printable(request.endpoint.Host, maxErrorText),
		}
		if _, ok := forgejoIssuerOf(request.endpoint); ok {
			e.Hint = "this is a job of Forgejo: opkssh login forgejo"
		}
		return nil, e
	}
	return request, nil
}

func forgejoActions(alias string, getenv func(string) string, network idp.Network) (string, IDTokenSource, error) {
	request, err := actionsRequest(getenv, network, "the workflow needs `enable-openid-connect: true`")
	if err != nil {
		return "", nil, err
	}
	issuer, ok := forgejoIssuerOf(request.endpoint)
	if !ok {
		e := &Error{
			Code: CodeCI, Detail: requestURLVariable + " is not Forgejo's",
			Expected: "a path with " + forgejoIssuer, Got: printable(request.endpoint.Host+request.endpoint.Path, maxErrorText),
		}
		if strings.HasSuffix(strings.ToLower(request.endpoint.Hostname()), gitHubHosts) {
			e.Hint = "this is a job of GitHub: opkssh login github"
		}
		return "", nil, e
	}
	if alias == aliasCodeberg && !strings.EqualFold(request.endpoint.Host, codebergHost) {
		return "", nil, &Error{
			Code: CodeCI, Detail: "this job does not run at Codeberg",
			Expected: codebergHost, Got: printable(request.endpoint.Host, maxErrorText), Hint: "opkssh login forgejo",
		}
	}
	return issuer, request, nil
}

// forgejoIssuerOf is the request URL up to and with /api/actions, where these are whole segments of the path.
func forgejoIssuerOf(endpoint *url.URL) (issuer string, ok bool) {
	before, _, ok := strings.Cut(endpoint.EscapedPath(), forgejoIssuer+"/")
	if !ok {
		return "", false
	}
	issuer = endpoint.Scheme + "://" + endpoint.Host + before + forgejoIssuer
	return issuer, idp.CheckIssuer(issuer) == nil
}

func gitLabCI(getenv func(string) string) (IDTokenSource, error) {
	if getenv("GITLAB_CI") != "true" {
		return nil, &Error{Code: CodeCI, Detail: "this is no job of GitLab CI", Expected: "GITLAB_CI=true", Got: "GITLAB_CI=" + printable(getenv("GITLAB_CI"), 100)}
	}
	if err := idp.CheckIssuer(getenv("CI_SERVER_URL")); err != nil {
		return nil, &Error{Code: CodeCI, Detail: "CI_SERVER_URL", Err: err}
	}
	if getenv(gitLabTokenVariable) == "" {
		return nil, &Error{Code: CodeCI, Detail: gitLabTokenVariable + " is not set", Hint: "the job in .gitlab-ci.yml needs " + gitlabSnippet}
	}
	return idTokenVariable{getenv, gitLabTokenVariable}, nil
}

// IsCIAlias is whether [FindCISystem] knows the alias.
func IsCIAlias(alias string) bool { return slices.Contains(CIAliases(), alias) }

// actionsRequest reads the variables that GitHub and Forgejo share. hint says how a job gets them.
func actionsRequest(getenv func(string) string, network idp.Network, hint string) (*actionsEndpoint, error) {
	for _, name := range []string{requestURLVariable, requestTokenVariable} {
		if getenv(name) == "" {
			return nil, &Error{Code: CodeCI, Detail: name + " is not set", Hint: hint}
		}
	}
	endpoint, err := url.Parse(getenv(requestURLVariable))
	switch {
	case err != nil, endpoint.Hostname() == "", endpoint.Opaque != "", endpoint.User != nil, endpoint.Fragment != "":
		return nil, &Error{Code: CodeCI, Detail: requestURLVariable + ": expected a URL with a host, without user and fragment"}
	case endpoint.Scheme != "https" && (endpoint.Scheme != "http" || !isLoopbackHost(endpoint.Hostname())):
		return nil, &Error{
			Code: CodeCI, Detail: requestURLVariable + ": the request token must not go over the network in the clear",
			Expected: "https", Got: printable(endpoint.Scheme, 100),
		}
	}
	return &actionsEndpoint{endpoint: endpoint, token: getenv(requestTokenVariable), network: network, hint: hint}, nil
}
