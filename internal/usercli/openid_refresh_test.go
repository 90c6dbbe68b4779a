package usercli_test

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// refreshable is a login that can be refreshed with the newest refresh token.
type refreshable struct {
	at      *openIDProvider
	request url.Values
	claims  map[string]any
}

// refreshables are those of all providers, by refresh token.
var refreshables sync.Map

// setLife gives ID tokens the life that a scope asks for: six seconds, five minutes or thirty days.
func (p *openIDProvider) setLife(request url.Values, claims map[string]any) {
	now := time.Now().Unix()
	claims["iat"] = now
	switch {
	case hasScope(request, "short"):
		claims["exp"] = now + 6
	case hasScope(request, "minutes"):
		claims["exp"] = now + 300
	case hasScope(request, "month"):
		claims["exp"] = now + 30*24*60*60
	}
}

func hasScope(request url.Values, scope string) bool {
	return slices.Contains(strings.Fields(request.Get("scope")), scope)
}

// withRefreshToken adds one where it was asked for, unless the scope no-refresh says otherwise.
func (p *openIDProvider) withRefreshToken(request url.Values, claims, answer map[string]any) map[string]any {
	if hasScope(request, "offline_access") && !hasScope(request, "no-refresh") {
		token := "hush-refresh-" + rand.Text()
		refreshables.Store(token, refreshable{p, request, claims})
		answer["refresh_token"] = token
	}
	return answer
}

// refresh takes each refresh token once, from the client that it was made for (RFC 6749 §6). Where the scope keeps-nonce says so, ID tokens
// have the login's nonce again (OpenID Connect Core §12.2).
func (p *openIDProvider) refresh(w http.ResponseWriter, r *http.Request) {
	found, ok := refreshables.LoadAndDelete(r.PostFormValue("refresh_token"))
	if !ok {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	before := found.(refreshable)
	if before.at != p {
		p.t.Error("a provider got the refresh token of another one")
	}
	if client, secret := clientOf(r); client != before.request.Get("client_id") || secret != before.request.Get("client_secret") {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := maps.Clone(before.claims)
	if !hasScope(before.request, "keeps-nonce") {
		delete(claims, "nonce")
	}
	p.setLife(before.request, claims)
	answer := p.withRefreshToken(before.request, before.claims, map[string]any{
		"access_token": "the-next-access-token", "token_type": "Bearer", "expires_in": 3600,
	})
	if before.request.Get("client_id") != "no-id-token-client" {
		answer["id_token"] = p.ofType(before.request, p.issuer.IDToken(p.t, claims))
	}
	p.answer(w, http.StatusOK, answer)
}

// clientOf is who sends a request (RFC 6749 §2.3.1).
func clientOf(r *http.Request) (id, secret string) {
	if id, secret, ok := r.BasicAuth(); ok {
		return id, secret
	}
	return r.PostFormValue("client_id"), r.PostFormValue("client_secret")
}
