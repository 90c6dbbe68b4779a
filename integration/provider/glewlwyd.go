package provider

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"opkssh/integration/freeport"
	"opkssh/integration/process"
)

const glewlwydSchema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"

const glewlwydConfig = `port=%d
bind_address="127.0.0.1"
external_url=%q
login_url="login.html"
api_prefix="api"
static_files_path="/usr/share/glewlwyd/webapp/"
log_mode="console"
log_level="INFO"
cookie_domain="localhost"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
profile_session_authentication="cookie"
login_api_enabled=true
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/nonexistent"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA256"
database = { type="sqlite3"; path=%q; };
static_files_mime_types = ( { extension=".html"; mime_type="text/html"; compress=0; } );
`

// startGlewlwyd runs glewlwyd with a database of its own and configures it over its REST API.
func startGlewlwyd(t testing.TB, p *Provider, o options) {
	t.Helper()
	dir := t.TempDir()
	database := filepath.Join(dir, "glewlwyd.db")
	schema, err := os.Open(glewlwydSchema)
	if err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	defer func() { _ = schema.Close() }()
	sqlite := exec.Command("sqlite3", database)
	sqlite.Stdin = schema
	if out, err := sqlite.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s(run integration/setup.sh first)", err, out)
	}

	port := freeport.Find(t)
	config := filepath.Join(dir, "glewlwyd.conf")
	external := strings.TrimSuffix(p.Issuer, "/api/oidc")
	if err := os.WriteFile(config, fmt.Appendf(nil, glewlwydConfig, port, external, database), 0o600); err != nil {
		t.Fatal(err)
	}
	child := process.Start(t, exec.Command("glewlwyd", "--config-file="+config))
	child.WaitLog(t, "Glewlwyd started on port")
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.front.serve(oneAtATime(proxyTo(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp4", address)
	})))

	admin := newGlewlwydAdmin(t, p, external+"/api")
	// On a busy machine it drops connections that it has not come to in time.
	child.WaitFor(t, "glewlwyd to sign its administrator in", func() bool {
		return admin.try(t, http.MethodPost, "/auth/", map[string]any{"username": "admin", "password": "password"}) == nil
	})
	admin.do(t, http.MethodPut, "/mod/user/database", map[string]any{
		"module": "database", "name": "database", "display_name": "users", "order_rank": 0, "readonly": false,
		"parameters": map[string]any{
			"use-glewlwyd-connection": true,
			"data-format": map[string]any{
				"groups":         map[string]any{"multiple": true, "read": true, "write": true},
				"email_verified": map[string]any{"multiple": false, "read": true, "write": true},
			},
		},
	})
	admin.do(t, http.MethodPut, "/mod/user/database/reset/", nil)
	for _, scope := range glewlwydScopes[1:] { // the schema has openid
		admin.do(t, http.MethodPost, "/scope/", map[string]any{
			"name": scope, "display_name": scope, "password_required": true, "password_max_age": 0,
		})
	}
	admin.do(t, http.MethodPost, "/mod/plugin/", glewlwydPlugin(t, p, o))
	admin.do(t, http.MethodPost, "/client/", map[string]any{
		"client_id": clientID, "name": clientID, "enabled": true, "confidential": false,
		"token_endpoint_auth_method": []string{"none"},
		"authorization_type":         []string{"code", "refresh_token"},
		"redirect_uri":               o.redirectURIs,
		"scope":                      []string{},
	})
	for i, u := range p.users {
		// It makes the subject up at the user's first login.
		p.users[i].Subject = ""
		admin.do(t, http.MethodPost, "/user/", map[string]any{
			"username": u.Name, "name": u.Name, "password": u.Password, "enabled": true, "scope": glewlwydScopes,
			"email": u.Email, "email_verified": strconv.FormatBool(u.EmailVerified), "groups": u.Groups,
		})
	}
	p.rotate = func(t testing.TB) {
		t.Helper()
		admin.do(t, http.MethodPut, "/mod/plugin/oidc", glewlwydPlugin(t, p, o))
		admin.do(t, http.MethodPut, "/mod/plugin/oidc/reset/", nil)
	}
}

var glewlwydScopes = []string{"openid", "email", "profile", "groups", "offline_access"}

// glewlwydPlugin configures OpenID Connect with a fresh key.
func glewlwydPlugin(t testing.TB, p *Provider, o options) map[string]any {
	t.Helper()
	kind, private, public := glewlwydKey(t, o.algorithm)
	return map[string]any{
		"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": true,
		"parameters": map[string]any{
			"iss":                         p.Issuer,
			"jwt-type":                    kind,
			"jwt-key-size":                "256",
			"key":                         private,
			"cert":                        public,
			"jwks-show":                   true,
			"access-token-duration":       int(o.idTokenLifetime.Seconds()), // the ID token's as well
			"refresh-token-duration":      86400,
			"code-duration":               60,
			"auth-type-code-enabled":      true,
			"auth-type-id-token-enabled":  true,
			"auth-type-refresh-enabled":   true,
			"pkce-allowed":                true,
			"pkce-method-plain-allowed":   false,
			"pkce-required-public-client": true,
			"allowed-scope":               glewlwydScopes,
			"name-claim":                  "mandatory",
			"email-claim":                 "mandatory",
			"claims": []map[string]any{
				{"name": "groups", "user-property": "groups", "type": "string", "mandatory": true},
				{
					"name": "email_verified", "user-property": "email_verified", "type": "boolean",
					"boolean-value-true": "true", "boolean-value-false": "false", "mandatory": true,
				},
			},
		},
	}
}

// glewlwydKey makes a key for alg: glewlwyd's name for it, and both halves in PEM.
func glewlwydKey(t testing.TB, alg string) (kind, private, public string) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		kind = "ecdsa"
		key, err = fullKey()
	case "EdDSA":
		kind = "eddsa"
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "PS256":
		kind = "rsa-pss"
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		kind = "rsa"
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}))
	public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}))
	return kind, private, public
}

// fullKey is a P-256 key whose coordinates start with no zero byte: glewlwyd leaves these out of the JWK, which has to keep them (RFC 7518
// §6.2.1.2), and one key of 128 could not be used.
func fullKey() (*ecdsa.PrivateKey, error) {
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		point, err := key.PublicKey.Bytes() // 4, x, y
		if err != nil || point[1] != 0 && point[33] != 0 {
			return key, err
		}
	}
}

// oneAtATime keeps requests apart: glewlwyd's use of SQLite fails now and then when they overlap.
func oneAtATime(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// glewlwydAdmin speaks to glewlwyd's REST API as its administrator.
type glewlwydAdmin struct {
	client *http.Client
	base   string
}

func newGlewlwydAdmin(t testing.TB, p *Provider, base string) glewlwydAdmin {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := p.HTTPClient()
	client.Jar = jar
	t.Cleanup(client.CloseIdleConnections)
	return glewlwydAdmin{client: client, base: base}
}

func (a glewlwydAdmin) do(t testing.TB, method, path string, body any) {
	t.Helper()
	if err := a.try(t, method, path, body); err != nil {
		t.Fatal(err)
	}
}

func (a glewlwydAdmin) try(t testing.TB, method, path string, body any) error {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, a.base+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("glewlwyd: %s %s: expected status 200, got %s %s", method, path, resp.Status, answer)
	}
	return nil
}
