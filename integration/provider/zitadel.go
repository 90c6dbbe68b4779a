package provider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// startZitadel runs zitadel's op in this process, right behind the TLS front.
func startZitadel(t testing.TB, p *Provider, o options) {
	t.Helper()
	store := newZitadelStorage(t, o)
	provider, err := op.NewProvider(&op.Config{
		CryptoKey:             [32]byte([]byte(rand.Text() + rand.Text())[:32]),
		CodeMethodS256:        true,
		GrantTypeRefreshToken: true,
		SupportedScopes:       []string{"openid", "email", "profile", "groups", "offline_access"},
		SupportedUILocales:    []language.Tag{language.English},
	}, store, op.StaticIssuer(p.Issuer), op.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	interceptor := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	mux.Handle("/login", interceptor.Handler(zitadelLogin{store: store, next: op.AuthCallbackURL(provider)}))
	p.front.serve(mux)
	p.rotate = store.rotate
}

// zitadelStorage is the library's own storage in memory, with keys that rotate and our users and client.
type zitadelStorage struct {
	*storage.Storage
	client zitadelClient
	users  zitadelUsers

	mu  sync.Mutex
	key zitadelKey
}

func newZitadelStorage(t testing.TB, o options) *zitadelStorage {
	t.Helper()
	client := storage.NativeClient(clientID, o.redirectURIs...)
	users := newZitadelUsers(o.users)
	s := &zitadelStorage{
		Storage: storage.NewStorageWithClients(users, map[string]*storage.Client{clientID: client}),
		client:  zitadelClient{Client: client, lifetime: o.idTokenLifetime},
		users:   users,
	}
	s.rotate(t)
	return s
}

func (s *zitadelStorage) rotate(t testing.TB) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = zitadelKey{id: rand.Text(), key: key}
}

// SigningKey implements op.Storage.
func (s *zitadelStorage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key, nil
}

// SignatureAlgorithms implements op.Storage.
func (s *zitadelStorage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements op.Storage.
func (s *zitadelStorage) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []op.Key{zitadelPublicKey{s.key}}, nil
}

// GetClientByClientID implements op.Storage.
func (s *zitadelStorage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != clientID {
		return nil, errors.New("client not found")
	}
	return s.client, nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest, for the ID token.
func (s *zitadelStorage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	if err := s.Storage.SetUserinfoFromRequest(ctx, info, r, scopes); err != nil {
		return err
	}
	s.addGroups(info, r.GetSubject())
	return nil
}

// SetUserinfoFromToken implements op.Storage, for the userinfo endpoint.
func (s *zitadelStorage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	s.addGroups(info, subject)
	return nil
}

func (s *zitadelStorage) addGroups(info *oidc.UserInfo, subject string) {
	if u, ok := s.users[subject]; ok {
		info.AppendClaims("groups", u.Groups)
	}
}

// zitadelUsers finds users for the library's storage. A user's name is the subject as well.
type zitadelUsers map[string]User

func newZitadelUsers(users []User) zitadelUsers {
	byName := zitadelUsers{}
	for _, u := range users {
		byName[u.Name] = u
	}
	return byName
}

// GetUserByID implements storage.UserStore.
func (users zitadelUsers) GetUserByID(id string) *storage.User {
	u, ok := users[id]
	if !ok {
		return nil
	}
	return &storage.User{ID: u.Name, Username: u.Name, Password: u.Password, Email: u.Email, EmailVerified: u.EmailVerified}
}

// GetUserByUsername implements storage.UserStore.
func (users zitadelUsers) GetUserByUsername(name string) *storage.User {
	return users.GetUserByID(name)
}

// ExampleClientID implements storage.UserStore. It names a service account that nobody uses.
func (users zitadelUsers) ExampleClientID() string { return "unused" }

// zitadelClient is the public client, whose ID tokens hold the claims that its scopes name.
type zitadelClient struct {
	*storage.Client
	lifetime time.Duration
}

// LoginURL implements op.Client.
func (c zitadelClient) LoginURL(id string) string { return "/login?id=" + id }

// IDTokenLifetime implements op.Client.
func (c zitadelClient) IDTokenLifetime() time.Duration { return c.lifetime }

// IDTokenUserinfoClaimsAssertion implements op.Client.
func (c zitadelClient) IDTokenUserinfoClaimsAssertion() bool { return true }

// IsScopeAllowed implements op.Client, for scopes that OpenID Connect does not define.
func (c zitadelClient) IsScopeAllowed(scope string) bool { return scope == "groups" }

// zitadelKey is a signing key.
type zitadelKey struct {
	id  string
	key *rsa.PrivateKey
}

// SignatureAlgorithm implements op.SigningKey.
func (k zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Key implements op.SigningKey.
func (k zitadelKey) Key() any { return k.key }

// ID implements op.SigningKey.
func (k zitadelKey) ID() string { return k.id }

// zitadelPublicKey is the public half of a signing key.
type zitadelPublicKey struct{ private zitadelKey }

// ID implements op.Key.
func (k zitadelPublicKey) ID() string { return k.private.id }

// Algorithm implements op.Key.
func (k zitadelPublicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Use implements op.Key.
func (k zitadelPublicKey) Use() string { return "sig" }

// Key implements op.Key.
func (k zitadelPublicKey) Key() any { return k.private.key.Public() }

// zitadelLogin is the login page, which the library leaves to its user.
type zitadelLogin struct {
	store *zitadelStorage
	next  func(ctx context.Context, id string) string
}

var zitadelLoginPage = template.Must(template.New("login").Parse(`<!DOCTYPE html>
<title>Login</title>
<p>{{.Error}}</p>
<form method="post" action="/login">
<input type="hidden" name="id" value="{{.ID}}">
<input type="text" name="username">
<input type="password" name="password">
<button type="submit">Login</button>
</form>
`))

// ServeHTTP shows the form, or goes on to the callback where name and password are right.
func (l zitadelLogin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := struct{ ID, Error string }{ID: r.FormValue("id")}
	if r.Method == http.MethodPost {
		err := l.store.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), page.ID)
		if err == nil {
			http.Redirect(w, r, l.next(r.Context(), page.ID), http.StatusFound)
			return
		}
		page.Error = err.Error()
	}
	if err := zitadelLoginPage.Execute(w, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
