package login_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/internal/login"
	"opkssh/pkg/pktoken/pktokentest"
)

// deviceFlow logs in without waiting. The pauses that it would have made end up in pauses.
func (p *openIDProvider) deviceFlow(pauses *[]time.Duration) *login.Flow {
	p.metadata.DeviceAuthorizationEndpoint = p.issuer.URL + "/device"
	now := time.Now()
	flow := p.flow(nil)
	flow.Kind = login.FlowDevice
	flow.OpenBrowser = func(string) error { p.t.Error("a browser was opened"); return nil }
	flow.Now = func() time.Time { return now }
	flow.SetPause(func(ctx context.Context, d time.Duration) error {
		now = now.Add(d)
		if pauses != nil {
			*pauses = append(*pauses, d)
		}
		return ctx.Err()
	})
	return flow
}

func TestDevice(t *testing.T) {
	for name, c := range map[string]struct {
		secret    string
		supported []string
		basic     bool
	}{
		"public client": {"", nil, false},
		"secret":        {"s3cret&", nil, true},
		"secret, post":  {"s3cret&", []string{"client_secret_post"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.secret, op.metadata.TokenEndpointAuthMethodsSupported = c.secret, c.supported
			if c.basic {
				op.secret = url.QueryEscape(c.secret)
			}
			op.device.pending = tokenErrors("authorization_pending", "slow_down", "authorization_pending")
			var pauses []time.Duration
			flow, client := op.deviceFlow(&pauses), newClient(t)
			flow.Provider.ClientSecret = c.secret
			flow.Timeout = time.Hour
			flow.Memory.Dir = t.TempDir()
			var shown login.DeviceCode
			flow.ShowDevice = func(d login.DeviceCode) { shown = d }
			started := flow.Now()
			result, err := flow.Login(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if result.Verified.Email() != "alice@example.com" || result.RefreshToken != "hush-refresh" {
				t.Errorf("got %s, %s", result.Verified.Email(), result.RefreshToken)
			}
			want := login.DeviceCode{
				UserCode: "WDJB-MJHT", URL: op.issuer.URL + "/enter", CompleteURL: op.issuer.URL + "/enter?user_code=WDJB-MJHT",
				ExpiresAt: started.Add(10 * time.Minute),
			}
			if shown != want {
				t.Errorf("expected to be shown %+v, got %+v", want, shown)
			}
			if want := []time.Duration{7 * time.Second, 7 * time.Second, 12 * time.Second, 12 * time.Second}; !slices.Equal(pauses, want) {
				t.Errorf("expected pauses %v, got %v", want, pauses)
			}
			got := op.device.request()
			for name, want := range map[string]string{
				"client_id": pktokentest.ClientID, "scope": "openid email", "nonce": client.Commitment(),
			} {
				if name == "client_id" && c.basic && got.Get(name) == "" {
					continue
				}
				if got.Get(name) != want {
					t.Errorf("%s: expected %q, got %q", name, want, got.Get(name))
				}
			}
			if got.Has("dpop_jkt") || op.device.basicAuth != c.basic || op.basicAuth != c.basic {
				t.Errorf("device authorization %v, HTTP Basic %t, then %t", got, op.device.basicAuth, op.basicAuth)
			}
			if got := flow.Memory.Nonce(flow.Provider); got != login.NonceReturned {
				t.Errorf("remembered %q", got)
			}
		})
	}
}

// Each way in which the device flow ends without a token has its message in a golden file.
func TestDeviceEndings(t *testing.T) {
	authorization := func(change func(map[string]any)) func(*openIDProvider, *login.Flow) {
		return func(op *openIDProvider, _ *login.Flow) { op.device.answer = change }
	}
	set := func(name string, value any) func(*openIDProvider, *login.Flow) {
		return authorization(func(m map[string]any) { m[name] = value })
	}
	refuse := func(status int, contentType, body string) func(*openIDProvider, *login.Flow) {
		return func(op *openIDProvider, _ *login.Flow) {
			op.device.refuse = func(w http.ResponseWriter) bool {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				return true
			}
		}
	}
	tokens := func(codes ...string) func(*openIDProvider, *login.Flow) {
		return func(op *openIDProvider, _ *login.Flow) { op.device.pending = tokenErrors(codes...) }
	}
	broken := func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	hangUp := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		change func(*openIDProvider, *login.Flow)
		want   login.Code
		polls  int
	}{
		"no-endpoint":       {func(op *openIDProvider, _ *login.Flow) { op.metadata.DeviceAuthorizationEndpoint = "" }, login.CodeDeviceFlow, 0},
		"no-token-endpoint": {func(op *openIDProvider, _ *login.Flow) { op.metadata.TokenEndpoint = "" }, login.CodeDiscovery, 0},
		"nonce-dropped":     {func(op *openIDProvider, _ *login.Flow) { op.device.dropsNonce = true }, login.CodeDeviceNonce, 1},
		"another-nonce": {func(op *openIDProvider, _ *login.Flow) {
			op.claims = map[string]any{"nonce": "other"}
		}, login.CodeDeviceNonce, 1},
		"client-not-allowed": {refuse(400, "application/json", `{"error":"unauthorized_client","error_description":"no\u001b[31m"}`), login.CodeDeviceFlow, 0},
		"unknown-scope":      {refuse(400, "application/json", `{"error":"invalid_scope"}`), login.CodeDeviceFlow, 0},
		"not-found":          {refuse(404, "text/html", `<h1>hush</h1>`), login.CodeDeviceFlow, 0},
		"not-json":           {refuse(200, "application/json", `hush`), login.CodeDeviceFlow, 0},
		"redirect":           {refuse(307, "text/html", ""), login.CodeDeviceFlow, 0},
		"no-device-code":     {set("device_code", nil), login.CodeDeviceFlow, 0},
		"no-user-code":       {set("user_code", ""), login.CodeDeviceFlow, 0},
		"user-code-obeyed":   {set("user_code", "A\x1b[31mB"), login.CodeDeviceFlow, 0},
		"long-user-code":     {set("user_code", strings.Repeat("A", 101)), login.CodeDeviceFlow, 0},
		"no-page":            {set("verification_uri", nil), login.CodeDeviceFlow, 0},
		"page-by-http":       {set("verification_uri", "http://op.example.com/enter"), login.CodeDeviceFlow, 0},
		"page-of-a-program":  {set("verification_uri", "file:///bin/sh"), login.CodeDeviceFlow, 0},
		"complete-page":      {set("verification_uri_complete", "javascript:alert(1)"), login.CodeDeviceFlow, 0},
		"refused":            {tokens("authorization_pending", "access_denied"), login.CodeRefused, 2},
		"expired-token":      {tokens("expired_token"), login.CodeTimeout, 1},
		"expired-here":       {tokens(slices.Repeat([]string{"authorization_pending"}, 200)...), login.CodeTimeout, 85},
		"grant-not-allowed":  {tokens("unsupported_grant_type"), login.CodeDeviceFlow, 1},
		"unknown-code":       {tokens("invalid_grant"), login.CodeTokenEndpoint, 1},
		"server-in-trouble": {func(op *openIDProvider, _ *login.Flow) {
			op.device.pending = []func(http.ResponseWriter){broken, broken, broken}
		}, login.CodeTokenEndpoint, 3},
		"network-in-trouble": {func(op *openIDProvider, _ *login.Flow) {
			op.device.pending = []func(http.ResponseWriter){hangUp, hangUp, hangUp}
		}, login.CodeTokenEndpoint, 3},
		"token-not-json": {func(op *openIDProvider, _ *login.Flow) {
			op.device.pending = []func(http.ResponseWriter){func(w http.ResponseWriter) { _, _ = w.Write([]byte("{hush")) }}
		}, login.CodeTokenEndpoint, 1},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			flow := op.deviceFlow(nil)
			flow.Timeout = time.Hour
			flow.Memory.Dir = t.TempDir()
			c.change(op, flow)
			_, err := flow.Login(t.Context(), newClient(t))
			wantMessage(t, op, "device-"+name, endedWith(t, err, c.want))
			if got := op.device.tokenRequests(); got != c.polls {
				t.Errorf("expected %d token requests, got %d", c.polls, got)
			}
			want := login.NonceUnknown
			if c.want == login.CodeDeviceNonce {
				want = login.NonceDropped
			}
			if got := flow.Memory.Nonce(flow.Provider); got != want {
				t.Errorf("remembered %q", got)
			}
		})
	}
}

// Trouble that passes does not end the login.
func TestDeviceTrouble(t *testing.T) {
	op := newOpenIDProvider(t)
	broken := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	hangUp := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	op.device.pending = []func(http.ResponseWriter){broken, hangUp, tokenErrors("authorization_pending")[0], hangUp, broken}
	var pauses []time.Duration
	if _, err := op.deviceFlow(&pauses).Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	s := time.Second
	if want := []time.Duration{7 * s, 14 * s, 28 * s, 28 * s, 56 * s, 60 * s}; !slices.Equal(pauses, want) {
		t.Errorf("expected pauses %v, got %v", want, pauses)
	}
}

func TestDeviceInterval(t *testing.T) {
	for name, c := range map[string]struct {
		interval any
		want     time.Duration
	}{
		"left out": {nil, 5 * time.Second},
		"negative": {-7, 5 * time.Second},
		"zero":     {0, 5 * time.Second},
		"a string": {"7", 5 * time.Second},
		"tiny":     {0.001, time.Second},
		"an age":   {1e300, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.device.answer = func(m map[string]any) { m["interval"] = c.interval; delete(m, "expires_in") }
			var pauses []time.Duration
			if _, err := op.deviceFlow(&pauses).Login(t.Context(), newClient(t)); err != nil {
				t.Fatal(err)
			}
			if len(pauses) != 1 || pauses[0] != c.want {
				t.Errorf("expected a pause of %s, got %v", c.want, pauses)
			}
		})
	}
}

// Some providers have other names for two members.
func TestDeviceVerificationURL(t *testing.T) {
	op := newOpenIDProvider(t)
	op.device.answer = func(m map[string]any) {
		m["verification_url"] = m["verification_uri"]
		delete(m, "verification_uri")
		delete(m, "verification_uri_complete")
	}
	flow := op.deviceFlow(nil)
	var shown login.DeviceCode
	flow.ShowDevice = func(d login.DeviceCode) { shown = d }
	if _, err := flow.Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	if shown.URL != op.issuer.URL+"/enter" || shown.CompleteURL != "" {
		t.Errorf("shown %+v", shown)
	}
	if most := flow.Now().Add(login.DefaultTimeout); shown.ExpiresAt.After(most) {
		t.Errorf("expected to be told to be done by %s, got %s", most, shown.ExpiresAt)
	}
}

// Who has found out once that the nonce is dropped is told before the next code, and asks the provider nothing.
func TestDeviceNonceIsRemembered(t *testing.T) {
	op := newOpenIDProvider(t)
	op.device.dropsNonce = true
	memory := login.DeviceMemory{Dir: t.TempDir()}
	for _, want := range []string{"device-nonce-dropped", "device-nonce-was-dropped"} {
		flow := op.deviceFlow(nil)
		flow.Memory = memory
		flow.ShowDevice = func(login.DeviceCode) {
			if want == "device-nonce-was-dropped" {
				t.Error("a code was shown")
			}
		}
		_, err := flow.Login(t.Context(), newClient(t))
		wantMessage(t, op, want, endedWith(t, err, login.CodeDeviceNonce))
	}
	if got := op.device.tokenRequests(); got != 1 {
		t.Errorf("%d token requests", got)
	}
}

func TestDeviceCancel(t *testing.T) {
	op := newOpenIDProvider(t)
	flow := op.deviceFlow(nil)
	flow.SetPause(nil)
	ctx, cancel := context.WithCancel(t.Context())
	flow.ShowDevice = func(login.DeviceCode) { cancel() }
	_, err := flow.Login(ctx, newClient(t))
	wantCode(t, err, login.CodeCanceled)

	flow = op.deviceFlow(nil)
	flow.SetPause(nil)
	flow.Timeout = 20 * time.Millisecond
	_, err = flow.Login(t.Context(), newClient(t))
	wantCode(t, err, login.CodeTimeout)
}
