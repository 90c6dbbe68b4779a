package login_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// bind makes the flow ask for key binding with key.
func bind(t *testing.T, flow *login.Flow, key crypto.Signer) *pktoken.ClientInstance {
	t.Helper()
	flow.Provider.KeyBinding = true
	flow.UserKey = key
	client, err := pktoken.NewClientInstance(rand.Reader, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestKeyBinding(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key       crypto.Signer
		kind      login.FlowKind
		nonce     string
		supported []string
	}{
		"browser, P-256":          {pktokentest.UserKey(t), login.FlowBrowser, "", nil},
		"browser, Ed25519":        {edKey, login.FlowBrowser, "", []string{"ES256", "EdDSA"}},
		"browser, provider nonce": {pktokentest.UserKey(t), login.FlowBrowser, "nonce-1", nil},
		"paste":                   {pktokentest.UserKey(t), login.FlowPaste, "", nil},
		"device":                  {pktokentest.UserKey(t), login.FlowDevice, "", nil},
		"device, provider nonce":  {pktokentest.UserKey(t), login.FlowDevice, "nonce-1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.dpop.enabled, op.dpop.nonce = true, c.nonce
			op.metadata.DPoPSigningAlgValuesSupported = c.supported
			op.metadata.TokenEndpoint += "?x=1" // is no part of htu (RFC 9449 §4.2)
			op.device.pending = tokenErrors("authorization_pending", "slow_down")
			var flow *login.Flow
			switch c.kind {
			case login.FlowPaste:
				flow = op.pasteFlow(&carrier{t: t, changes: []func(string) string{same}})
			case login.FlowDevice:
				flow = op.deviceFlow(nil)
				flow.Memory.Dir = t.TempDir()
			default:
				flow = op.flow(newBrowser())
			}
			client := bind(t, flow, c.key)
			result, err := flow.Login(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			row := op.issuer.Provider()
			row.Commitment = pktoken.CommitmentKeyBinding
			asHost := pktoken.Verifier{Providers: []pktoken.Provider{row}, Keys: pktokentest.KeySet(t, op.issuer)}
			if _, err := asHost.Verify(t.Context(), result.Token); err != nil {
				t.Errorf("a host refuses: %v", err)
			}
			request := op.authorization
			if c.kind == login.FlowDevice {
				request = op.device.request()
				if request.Has("nonce") || flow.Memory.Nonce(flow.Provider) != login.NonceUnknown {
					t.Errorf("a nonce is of no use here: %v", request)
				}
			}
			if request.Get("scope") != "openid email bound_key" || len(request.Get("dpop_jkt")) != 43 {
				t.Errorf("request %v", request)
			}
			if strings.Join(flow.Provider.Scopes, " ") != "openid email" {
				t.Errorf("the provider's scopes were changed: %q", flow.Provider.Scopes)
			}
			want := 1
			if c.nonce != "" {
				want = 2
			}
			if len(op.dpop.proofs) != want {
				t.Errorf("expected %d proofs, got %v", want, op.dpop.proofs)
			}
		})
	}
}

// Without key binding no proof is made, whatever the provider can do.
func TestNoKeyBinding(t *testing.T) {
	op := newOpenIDProvider(t)
	op.dpop.enabled = true
	op.metadata.DPoPSigningAlgValuesSupported = []string{"RS256"}
	if _, err := op.flow(newBrowser()).Login(t.Context(), newClient(t)); err != nil {
		t.Fatal(err)
	}
	if op.authorization.Has("dpop_jkt") || len(op.dpop.headers) != 1 || op.dpop.headers[0] != "" {
		t.Errorf("request %v, proofs %q", op.authorization, op.dpop.headers)
	}
}

// Each way in which a provider does not bind the key has its message in a golden file.
func TestKeyBindingEndings(t *testing.T) {
	refuse := func(code string, header ...string) func(*openIDProvider, *login.Flow) {
		return func(op *openIDProvider, _ *login.Flow) {
			op.dpop.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
				if len(header) > 0 {
					w.Header().Set("DPoP-Nonce", header[0])
				}
				answerJSON(w, http.StatusBadRequest, map[string]any{"error": code})
				return true
			}
		}
	}
	change := func(f func(header, claims map[string]any)) func(*openIDProvider, *login.Flow) {
		return func(op *openIDProvider, _ *login.Flow) { op.dpop.change = f }
	}
	for name, c := range map[string]struct {
		change func(*openIDProvider, *login.Flow)
		want   login.Code
		proofs int
	}{
		"not-supported": {func(op *openIDProvider, _ *login.Flow) { op.dpop.enabled = false }, login.CodeKeyBinding, 1},
		"algorithm": {func(op *openIDProvider, _ *login.Flow) {
			op.metadata.DPoPSigningAlgValuesSupported = []string{"RS256", "EdDSA"}
		}, login.CodeKeyBinding, 0},
		"no-cnf": {change(func(_, claims map[string]any) { delete(claims, "cnf") }), login.CodeKeyBinding, 1},
		"thumbprint-alone": {change(func(_, claims map[string]any) {
			claims["cnf"] = map[string]any{"jkt": "x"}
		}), login.CodeKeyBinding, 1},
		"plain-type":      {change(func(header, _ map[string]any) { header["typ"] = "JWT" }), login.CodeKeyBinding, 1},
		"another-nonce":   {change(func(_, claims map[string]any) { claims["nonce"] = "other" }), login.CodeIDToken, 1},
		"no-nonce":        {change(func(_, claims map[string]any) { delete(claims, "nonce") }), login.CodeIDToken, 1},
		"invalid-proof":   {refuse("invalid_dpop_proof"), login.CodeTokenEndpoint, 1},
		"nonce-for-ever":  {refuse("use_dpop_nonce", "another"), login.CodeTokenEndpoint, 2},
		"nonce-not-given": {refuse("use_dpop_nonce"), login.CodeTokenEndpoint, 1},
		"other-error":     {refuse("invalid_grant", "nonce-1"), login.CodeTokenEndpoint, 1},
	} {
		t.Run(name, func(t *testing.T) {
			op := newOpenIDProvider(t)
			op.dpop.enabled = true
			flow := op.flow(newBrowser())
			c.change(op, flow)
			_, err := flow.Login(t.Context(), bind(t, flow, pktokentest.UserKey(t)))
			wantMessage(t, op, "key-binding-"+name, endedWith(t, err, c.want))
			if len(op.dpop.headers) != c.proofs {
				t.Errorf("expected %d token requests, got %d", c.proofs, len(op.dpop.headers))
			}
		})
	}
}

// A provider that puts another key into the token than the one that proved itself is refused.
func TestKeyBindingToAnotherKey(t *testing.T) {
	op := newOpenIDProvider(t)
	op.dpop.enabled = true
	op.dpop.change = func(_, claims map[string]any) {
		claims["cnf"] = map[string]any{"jwk": pktokentest.PublicJWK(t, pktokentest.UserKey(t).Public())}
	}
	flow := op.flow(newBrowser())
	_, err := flow.Login(t.Context(), bind(t, flow, pktokentest.UserKey(t)))
	wantCode(t, err, login.CodeKeyBinding)
}

func TestKeyBindingWithoutUsableKey(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"no key": nil, "P-384": p384} {
		t.Run(name, func(t *testing.T) {
			flow := newOpenIDProvider(t).flow(newBrowser())
			flow.Provider.KeyBinding, flow.UserKey = true, key
			_, err := flow.Login(t.Context(), newClient(t))
			wantCode(t, err, login.CodeConfiguration)
		})
	}
}

// The proof has this computer's time, so that a provider which checks it finds a clock that is wrong.
func TestKeyBindingClock(t *testing.T) {
	op := newOpenIDProvider(t)
	op.dpop.enabled = true
	flow := op.flow(newBrowser())
	flow.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	_, err := flow.Login(t.Context(), bind(t, flow, pktokentest.UserKey(t)))
	if e := endedWith(t, err, login.CodeTokenEndpoint); e.ProviderError != "invalid_dpop_proof" || !strings.Contains(e.Hint, "date and time") {
		t.Errorf("got %v, hint %q", e, e.Hint)
	}
}
