package demo

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"maps"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const scopeGroups = "groups"

const accessTokenLifetime = 5 * time.Minute

// storage is what a provider remembers, in memory. It implements op.Storage, and hands out copies only.
type storage struct {
	client client
	users  []User

	mu             sync.Mutex
	key            signingKey
	authorizations map[string]authorization // by ID
	codes          map[string]string        // authorization code to ID
	accessTokens   map[string]accessToken   // by ID
	refreshTokens  map[string]grant
}

type accessToken struct {
	grant
	expires time.Time
}

func newStorage(c client, users []User) (*storage, error) {
	s := &storage{
		client: c, users: users,
		authorizations: map[string]authorization{}, codes: map[string]string{},
		accessTokens: map[string]accessToken{}, refreshTokens: map[string]grant{},
	}
	return s, s.rotateKey()
}

func (s *storage) rotateKey() error {
	key, err := newSigningKey()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return nil
}

var (
	errNoRequest     = errors.New("there is no such login, or it is over: start again")
	errWrongPassword = errors.New("name or password is wrong")
)

// logIn answers an authorization with the user of this name.
func (s *storage) logIn(id, name, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.authorizations[id]
	if !ok || a.Done() {
		return errNoRequest
	}
	for _, u := range s.users {
		if u.Name == name && subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1 {
			a.subject, a.at = u.subject(), time.Now()
			s.authorizations[id] = a
			return nil
		}
	}
	return errWrongPassword
}

// waiting is whether an authorization is there for somebody to log in.
func (s *storage) waiting(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.authorizations[id]
	return ok && !a.Done()
}

// CreateAuthRequest implements op.Storage. The subject of an id_token_hint is not taken as a login.
func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if len(r.Prompt) == 1 && r.Prompt[0] == oidc.PromptNone {
		return nil, oidc.ErrLoginRequired()
	}
	a := authorization{grant: grant{clientID: r.ClientID, scopes: r.Scopes}, id: rand.Text(), request: r}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authorizations[a.id] = a
	return &a, nil
}

// AuthRequestByID implements op.Storage.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.authorizations[id]
	if !ok {
		return nil, errNoRequest
	}
	return &a, nil
}

// AuthRequestByCode implements op.Storage. A code is good once (RFC 6749 §4.1.2).
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.authorizations[s.codes[code]]
	delete(s.codes, code)
	if !ok {
		return nil, errors.New("the code was never given out, or is used up")
	}
	return &a, nil
}

// SaveAuthCode implements op.Storage.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

// DeleteAuthRequest implements op.Storage.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.authorizations, id)
	return nil
}

// grantOf is what tokens are made for. Nothing but these two is ever given to op.
func grantOf(r op.TokenRequest) (grant, error) {
	switch r := r.(type) {
	case *authorization:
		return r.grant, nil
	case *grant:
		return *r, nil
	}
	return grant{}, oidc.ErrUnsupportedGrantType()
}

// CreateAccessToken implements op.Storage.
func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (id string, expires time.Time, err error) {
	g, err := grantOf(r)
	if err != nil {
		return "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, expires = s.addAccessToken(g)
	return id, expires, nil
}

func (s *storage) addAccessToken(g grant) (id string, expires time.Time) {
	id, expires = rand.Text(), time.Now().Add(accessTokenLifetime)
	s.accessTokens[id] = accessToken{g, expires}
	return id, expires
}

// CreateAccessAndRefreshTokens implements op.Storage. A refresh token is good once (RFC 9700 §4.14.2).
func (s *storage) CreateAccessAndRefreshTokens(
	_ context.Context, r op.TokenRequest, used string,
) (accessID, refresh string, expires time.Time, err error) {
	g, err := grantOf(r)
	if err != nil {
		return "", "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.refreshTokens[used]; used != "" && !ok {
		return "", "", time.Time{}, oidc.ErrInvalidGrant()
	}
	delete(s.refreshTokens, used)
	refresh = rand.Text()
	s.refreshTokens[refresh] = g
	accessID, expires = s.addAccessToken(g)
	return accessID, refresh, expires, nil
}

// TokenRequestByRefreshToken implements op.Storage.
func (s *storage) TokenRequestByRefreshToken(_ context.Context, refresh string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refreshTokens[refresh]
	if !ok {
		return nil, op.ErrInvalidRefreshToken
	}
	return &g, nil
}

// TerminateSession implements op.Storage. There are no sessions, but tokens.
func (s *storage) TerminateSession(_ context.Context, subject, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := func(g grant) bool { return g.subject == subject && g.clientID == clientID }
	maps.DeleteFunc(s.accessTokens, func(_ string, t accessToken) bool { return over(t.grant) })
	maps.DeleteFunc(s.refreshTokens, func(_ string, g grant) bool { return over(g) })
	return nil
}

// GetRefreshTokenInfo implements op.Storage.
func (s *storage) GetRefreshTokenInfo(_ context.Context, _, refresh string) (subject, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refreshTokens[refresh]
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}
	return g.subject, refresh, nil
}

// RevokeToken implements op.Storage.
func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accessTokens, token)
	delete(s.refreshTokens, token)
	return nil
}

// SigningKey implements op.Storage.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key, nil
}

// SignatureAlgorithms implements op.Storage.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements op.Storage.
func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []op.Key{publishedKey{s.key}}, nil
}

// GetClientByClientID implements op.Storage.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.client.id {
		return nil, oidc.ErrInvalidClient().WithDescription("no such client")
	}
	return s.client, nil
}

// AuthorizeClientIDSecret implements op.Storage. The client has no secret, so that none is right.
func (s *storage) AuthorizeClientIDSecret(context.Context, string, string) error {
	return oidc.ErrInvalidClient().WithDescription("the client has no secret")
}

// SetUserinfoFromScopes implements op.Storage, which has SetUserinfoFromRequest in its place.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest, for ID tokens.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	return s.setClaims(info, r.GetSubject(), scopes)
}

// SetUserinfoFromToken implements op.Storage, for the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	t, err := s.accessToken(tokenID)
	if err != nil {
		return err
	}
	return s.setClaims(info, t.subject, t.scopes)
}

// SetIntrospectionFromToken implements op.Storage. Introspection is for clients with a secret.
func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return oidc.ErrInvalidClient()
}

func (s *storage) accessToken(id string) (accessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.accessTokens[id]
	if !ok || !time.Now().Before(t.expires) {
		return accessToken{}, errors.New("the access token was never given out, was revoked or has expired")
	}
	return t, nil
}

func (s *storage) setClaims(info *oidc.UserInfo, subject string, scopes []string) error {
	for _, u := range s.users {
		if u.subject() != subject {
			continue
		}
		info.Subject = subject
		for _, scope := range scopes {
			switch scope {
			case oidc.ScopeEmail:
				info.Email, info.EmailVerified = u.Email, oidc.Bool(u.EmailVerified)
			case oidc.ScopeProfile:
				info.PreferredUsername = u.Name
			case scopeGroups:
				info.AppendClaims(scopeGroups, u.Groups)
			}
		}
		return nil
	}
	return errors.New("no such user")
}

// GetPrivateClaimsFromScopes implements op.Storage, for access tokens that are JWTs.
func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID implements op.Storage, for clients that sign assertions.
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, oidc.ErrInvalidClient()
}

// ValidateJWTProfileScopes implements op.Storage, for clients that sign assertions.
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, oidc.ErrUnauthorizedClient()
}

// Health implements op.Storage.
func (s *storage) Health(context.Context) error { return nil }
