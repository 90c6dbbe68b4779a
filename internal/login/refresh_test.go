package login_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// refresher is a provider that has a login to refresh, and answers with what members and claims say.
type refresher struct {
	*openIDProvider
	flow     *login.Flow
	login    *login.Result
	asked    url.Values // the last refresh request
	kept     []string
	keepFail error
}

// newRefresher logs in. change may change what a refresh answers; the claims are those of the new ID token.
func newRefresher(t *testing.T, change func(answer, claims map[string]any)) *refresher {
	t.Helper()
	r := &refresher{openIDProvider: newOpenIDProvider(t)}
	r.token = func(w http.ResponseWriter, request *http.Request) bool {
		if request.PostForm.Get("grant_type") != "refresh_token" {
			return false
		}
		r.asked = request.PostForm
		claims := map[string]any{"sub": "alice-1", "email": "alice@example.com", "exp": time.Now().Add(2 * time.Hour).Unix()}
		answer := map[string]any{"access_token": "hush-access-2", "token_type": "Bearer"}
		change(answer, claims)
		status := http.StatusOK
		if code, ok := answer["status"].(int); ok {
			status = code
		}
		if _, ok := answer["id_token"]; !ok {
			answer["id_token"] = r.issuer.IDToken(t, claims)
		}
		maps.DeleteFunc(answer, func(_ string, v any) bool { return v == nil })
		answerJSON(w, status, answer)
		return true
	}
	r.flow = r.openIDProvider.flow(newBrowser())
	var err error
	if r.login, err = r.flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *refresher) refresh(t *testing.T) (*login.Result, error) {
	t.Helper()
	return r.flow.Refresh(t.Context(), r.login.Token, r.login.RefreshToken, func(next string) error {
		r.kept = append(r.kept, next)
		return r.keepFail
	})
}

// unchanged is a provider that repeats everything but the times.
func unchanged(_, _ map[string]any) {}

func TestRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		change func(answer, claims map[string]any)
		keep   string
	}{
		"the same refresh token again": {unchanged, "hush-refresh"},
		"the next refresh token":       {func(answer, _ map[string]any) { answer["refresh_token"] = "hush-next" }, "hush-next"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRefresher(t, c.change)
			result, err := r.refresh(t)
			if err != nil {
				t.Fatal(err)
			}
			if r.asked.Get("refresh_token") != "hush-refresh" || r.asked.Get("client_id") != pktokentest.ClientID {
				t.Errorf("asked with %v", r.asked)
			}
			if len(r.kept) != 1 || r.kept[0] != c.keep || result.RefreshToken != c.keep {
				t.Errorf("expected %q to be kept, got %q, and %q in the result", c.keep, r.kept, result.RefreshToken)
			}
			if result.AccessToken != "hush-access-2" || result.Verified.Subject() != "alice-1" {
				t.Errorf("got %+v", result)
			}
			checkHostsThatRefresh(t, r, result.Token)
		})
	}
}

// checkHostsThatRefresh: when the original ID token has expired, the refreshed one makes the difference, where the host says so.
func checkHostsThatRefresh(t *testing.T, r *refresher, token *pktoken.Token) {
	t.Helper()
	for kind, good := range map[pktoken.ExpiryKind]bool{pktoken.ExpiryOIDCRefreshed: true, pktoken.ExpiryOIDC: false} {
		row := r.issuer.Provider()
		row.Expiry = pktoken.Expiry{Kind: kind}
		host := pktoken.Verifier{
			Providers: []pktoken.Provider{row},
			Keys:      pktokentest.KeySet(t, r.issuer),
			Now:       func() time.Time { return time.Now().Add(90 * time.Minute) },
		}
		if _, err := host.Verify(t.Context(), token); (err == nil) != good {
			t.Errorf("kind %d: expected good %t, got %v", kind, good, err)
		}
	}
}

func TestARefreshReplacesTheOneBefore(t *testing.T) {
	r := newRefresher(t, unchanged)
	first, err := r.refresh(t)
	if err != nil {
		t.Fatal(err)
	}
	r.login.Token = first.Token
	second, err := r.refresh(t)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(second.Token.Compact(), ".") != strings.Count(first.Token.Compact(), ".") {
		t.Error("the older refreshed ID token is still there")
	}
}

func TestRefreshFailures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(answer, claims map[string]any)
		code   login.Code
		reason pktoken.Reason
		kept   int
	}{
		"invalid_grant": {func(answer, _ map[string]any) {
			answer["status"], answer["error"] = http.StatusBadRequest, "invalid_grant"
		}, login.CodeRefreshRefused, "", 0},
		"not allowed": {func(answer, _ map[string]any) {
			answer["status"], answer["error"] = http.StatusBadRequest, "unauthorized_client"
		}, login.CodeRefreshRefused, "", 0},
		"broken": {func(answer, _ map[string]any) { answer["status"] = http.StatusBadGateway }, login.CodeTokenEndpoint, "", 0},
		"no ID token, but the next refresh token": {func(answer, _ map[string]any) {
			answer["id_token"], answer["refresh_token"] = nil, "hush-next"
		}, login.CodeNoIDToken, "", 1},
		"not a JWT":       {func(answer, _ map[string]any) { answer["id_token"] = "hush" }, login.CodeIDToken, pktoken.ReasonMalformed, 1},
		"another subject": {func(_, claims map[string]any) { claims["sub"] = "bob" }, login.CodeIDToken, pktoken.ReasonRefreshed, 1},
		"another nonce":   {func(_, claims map[string]any) { claims["nonce"] = "any" }, login.CodeIDToken, pktoken.ReasonRefreshed, 1},
		"another client":  {func(_, claims map[string]any) { claims["aud"] = "other" }, login.CodeIDToken, pktoken.ReasonRefreshed, 1},
		"another issuer": {func(_, claims map[string]any) { claims["iss"] = "https://op.example.org" },
			login.CodeIDToken, pktoken.ReasonRefreshed, 1},
		"older than the login": {func(_, claims map[string]any) { claims["iat"] = time.Now().Add(-time.Hour).Unix() },
			login.CodeIDToken, pktoken.ReasonRefreshed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRefresher(t, c.change)
			result, err := r.refresh(t)
			var failure *login.Error
			if result != nil || !errors.As(err, &failure) || failure.Code != c.code {
				t.Fatalf("expected %s, got %v, %v", c.code, result, err)
			}
			var reject *pktoken.RejectError
			if errors.As(err, &reject); c.reason != "" && (reject == nil || reject.Reason != c.reason) {
				t.Errorf("expected the reason %s, got %v", c.reason, err)
			}
			if len(r.kept) != c.kept {
				t.Errorf("expected %d refresh tokens to be kept, got %q", c.kept, r.kept)
			}
			if strings.Contains(err.Error()+failure.Hint, "hush") {
				t.Errorf("a secret in the error: %v", err)
			}
		})
	}
}

// Without a place for the next refresh token the answer is of no use: the next refresh would be refused.
func TestARefreshTokenThatCannotBeKept(t *testing.T) {
	r := newRefresher(t, unchanged)
	r.keepFail = errors.New("disk full")
	var failure *login.Error
	if _, err := r.refresh(t); !errors.As(err, &failure) || failure.Code != login.CodeKeepRefreshToken {
		t.Errorf("expected %s, got %v", login.CodeKeepRefreshToken, err)
	}
}

// A provider that rotates has forgotten the old refresh token when its answer is on the way.
func TestAnInterruptLosesNoRefreshToken(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	r := newRefresher(t, func(answer, _ map[string]any) {
		answer["refresh_token"] = "hush-next"
		interrupt()
	})
	var kept string
	// What comes of it does not matter: it depends on whether anything else has to be asked.
	_, err := r.flow.Refresh(ctx, r.login.Token, r.login.RefreshToken, func(next string) error {
		kept = next
		return nil
	})
	if kept != "hush-next" {
		t.Errorf("kept %q, and got %v", kept, err)
	}
}

func TestRefreshEndings(t *testing.T) {
	r := newRefresher(t, unchanged)
	var failure *login.Error
	r.login.RefreshToken = ""
	if _, err := r.refresh(t); !errors.As(err, &failure) || failure.Code != login.CodeNoRefreshToken || r.asked != nil {
		t.Errorf("expected %s without a request, got %v, %v", login.CodeNoRefreshToken, err, r.asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.flow.Refresh(ctx, r.login.Token, "hush-refresh", func(string) error { return nil })
	if !errors.As(err, &failure) || failure.Code != login.CodeCanceled {
		t.Errorf("expected %s, got %v", login.CodeCanceled, err)
	}
	// Keys that the login was signed with, and that the provider has dropped since.
	r.login.RefreshToken = "hush-refresh"
	r.flow.Keys = pktokentest.KeySet(t, pktokentest.NewIssuer(t, r.server.URL, "RS256"))
	if _, err := r.refresh(t); !errors.As(err, &failure) || failure.Code != login.CodeIDToken || failure.Hint == "" {
		t.Errorf("expected %s with a hint, got %v", login.CodeIDToken, err)
	}
}

func TestOfflineAccessIsAskedForWhereItHelps(t *testing.T) {
	for name, c := range map[string]struct {
		refresh   bool
		scopes    []string
		supported []string
		want      string
	}{
		"not wanted":  {false, []string{"openid"}, []string{"openid", "offline_access"}, "openid"},
		"wanted":      {true, []string{"openid"}, []string{"openid", "offline_access"}, "openid offline_access"},
		"unknown":     {true, []string{"openid"}, []string{"openid"}, "openid"},
		"there twice": {true, []string{"openid", "offline_access"}, []string{"offline_access"}, "openid offline_access"},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.metadata.ScopesSupported = c.supported
			flow := op.flow(newBrowser())
			flow.Provider.Refresh, flow.Provider.Scopes = c.refresh, c.scopes
			if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
				t.Fatal(err)
			}
			if got := op.authorization.Get("scope"); got != c.want {
				t.Errorf("expected the scopes %q, got %q", c.want, got)
			}
		})
	}
}
