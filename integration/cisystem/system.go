// Package cisystem plays the CI systems' part in a job's login, as they document it: it makes ID tokens for jobs, and publishes
// the keys for hosts.
package cisystem

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/pkg/pktoken/pktokentest"
)

// Subject is `sub` of each job's ID token at GitHub and Forgejo, and GitLabSubject that at GitLab.
const (
	Subject       = "repo:acme/app:ref:refs/heads/main"
	GitLabSubject = "project_path:acme/app:ref_type:branch:ref:main"
)

// System is a CI system with one running job.
type System struct {
	*pktokentest.Issuer

	// Variables are what the job finds in its environment.
	Variables map[string]string
	// Claims are further claims of the ID tokens that a job asks for.
	Claims map[string]any

	t            testing.TB
	requestPath  string
	requestToken string

	mu     sync.Mutex
	tokens []string
}

// StartForgejo runs a Forgejo below the path /forge.
func StartForgejo(t testing.TB) *System {
	t.Helper()
	s := &System{t: t}
	url := s.serve(t, func(url string) {
		s.Issuer = pktokentest.NewIssuer(t, url+"/forge/api/actions", "RS256")
		s.serveJob("/forge/api/actions/_apis/pipelines/workflows/3705365/idtoken")
	})
	s.Variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = url + s.requestPath + "?placeholder=true"
	return s
}

// StartGitLab runs a GitLab with a job whose `id_tokens` has the audience given.
func StartGitLab(t testing.TB, audience string) *System {
	t.Helper()
	s := &System{t: t}
	url := s.serve(t, func(url string) { s.Issuer = pktokentest.NewIssuer(t, url, "RS256") })
	s.Variables = map[string]string{
		"GITLAB_CI": "true", "CI_SERVER_URL": url,
		"OPENPUBKEY_JWT": s.Mint(t, map[string]any{
			"aud": audience, "sub": GitLabSubject, "project_path": "acme/app", "ref": "main", "ref_protected": "true",
		}),
	}
	return s
}

// serve starts the server once prepare has set what the answers need.
func (s *System) serve(t testing.TB, prepare func(url string)) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(s)
	url = "http://" + server.Listener.Addr().String()
	prepare(url)
	server.Start()
	t.Cleanup(server.Close)
	return url
}

func (s *System) serveJob(path string) {
	s.requestPath, s.requestToken = path, rand.Text()
	s.Variables = map[string]string{
		"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": s.requestToken,
	}
}

// Environment is Variables in the form of [os/exec.Cmd.Env].
func (s *System) Environment() []string {
	var environment []string
	for name, value := range s.Variables {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// ServeHTTP implements [http.Handler]: discovery, keys, and the job's ID tokens.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(s.URL, r.Host)
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case path + "/.well-known/openid-configuration":
		s.answer(w, map[string]any{
			"issuer": s.URL, "jwks_uri": s.URL + "/.well-known/keys",
			"subject_types_supported": []string{"public", "pairwise"}, "response_types_supported": []string{"id_token"},
			"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid"},
		})
	case path + "/.well-known/keys":
		_, _ = w.Write(pktokentest.JWKS(s.t, s.JWK(s.t)))
	case s.requestPath:
		s.idToken(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *System) idToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "bearer "+s.requestToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	audience := r.URL.Query().Get("audience")
	if audience == "" {
		audience = "https://github.com/acme"
	}
	now := time.Now().Unix()
	claims := map[string]any{
		"aud": audience, "sub": Subject, "nbf": now, "exp": now + 300, "jti": rand.Text(),
		"repository": "acme/app", "repository_id": "74", "ref": "refs/heads/main", "actor": "alice", "event_name": "push",
	}
	maps.Copy(claims, s.Claims)
	s.answer(w, map[string]any{"count": 1, "value": s.Mint(s.t, claims)})
}

// Mint makes an ID token that is as secret as those that a job asks for.
func (s *System) Mint(t testing.TB, claims map[string]any) string {
	t.Helper()
	jwt := s.IDToken(t, claims)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, jwt)
	return jwt
}

func (s *System) answer(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		s.t.Error(err)
	}
}

// Given are the ID tokens that the job got until now.
func (s *System) Given() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.tokens...)
}

// WantNoSecret fails the test if text holds a secret of the job: the request token, or the signature of an ID token.
func (s *System) WantNoSecret(t testing.TB, where, text string) {
	t.Helper()
	for i, jwt := range s.Given() {
		signature := jwt[strings.LastIndex(jwt, ".")+1:]
		if strings.Contains(text, signature) {
			t.Errorf("%s holds the signature of ID token %d:\n%s", where, i, text)
		}
	}
	if s.requestToken != "" && strings.Contains(text, s.requestToken) {
		t.Errorf("%s holds the request token:\n%s", where, text)
	}
}
