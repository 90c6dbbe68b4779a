package login

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/dsig"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"golang.org/x/oauth2"

	"opkssh/pkg/pktoken"
)

// boundKeyScope asks for an ID token with the key in it (OpenID Connect Key Binding 1.0).
const boundKeyScope = "bound_key"

// keyProof makes DPoP proofs (RFC 9449 §4.2): that whoever asks for the ID token holds the key that is to be in it.
type keyProof struct {
	key        crypto.Signer
	alg        string // JWS
	scheme     string // the same for package dsig
	jwk        jwk.Key
	thumbprint string // RFC 7638, the parameter dpop_jkt
	now        func() time.Time
}

// newKeyProof gives nil where the provider's settings ask for no key binding.
func (f *Flow) newKeyProof(supported []string) (*keyProof, error) {
	if !f.Provider.KeyBinding {
		return nil, nil
	}
	p := &keyProof{key: f.UserKey, now: f.Now}
	if p.now == nil {
		p.now = time.Now
	}
	if f.UserKey == nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "key binding without the user's key"}
	}
	switch public := f.UserKey.Public().(type) {
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			p.alg, p.scheme = "ES256", dsig.ECDSAWithP256AndSHA256
		}
	case ed25519.PublicKey:
		p.alg, p.scheme = "EdDSA", dsig.EdDSA
	}
	if p.alg == "" {
		return nil, &Error{Code: CodeConfiguration, Detail: "key binding: expected a P-256 or Ed25519 key"}
	}
	// RFC 9449 §5.1. Known before the person has logged in for nothing.
	if len(supported) > 0 && !slices.Contains(supported, p.alg) {
		return nil, &Error{
			Code:     CodeKeyBinding,
			Detail:   "the provider takes no DPoP proof of this type of key",
			Expected: p.alg,
			Got:      printable(strings.Join(supported, " "), maxErrorText),
			Hint:     "make a key of another type (-t ecdsa is ES256, -t ed25519 is EdDSA), or leave key_binding out",
		}
	}
	var err error
	if p.jwk, err = jwk.Import(f.UserKey.Public()); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "key binding", Err: err}
	}
	sum, err := p.jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "key binding", Err: err}
	}
	p.thumbprint = base64.RawURLEncoding.EncodeToString(sum)
	return p, nil
}

// scopes adds the one for key binding.
func (p *keyProof) scopes(scopes []string) []string {
	if p == nil || slices.Contains(scopes, boundKeyScope) {
		return scopes
	}
	return append(slices.Clone(scopes), boundKeyScope)
}

// sign makes the proof for one request. The code, which may be a device code, is named by its hash, so that nobody can put
// another one beside the proof. nonce is what the provider wants to see again (RFC 9449 §8), or "".
func (p *keyProof) sign(method string, target *url.URL, code, nonce string) (string, error) {
	endpoint := *target
	endpoint.RawQuery, endpoint.ForceQuery, endpoint.Fragment = "", false, ""
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": endpoint.String(), "iat": p.now().Unix()}
	if code != "" {
		sum := sha256.Sum256([]byte(code))
		claims["c_s256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": p.alg, "jwk": p.jwk})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := dsig.Sign(p.key, p.scheme, []byte(signed), rand.Reader)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// provingClient is tokenClient with a fresh proof in each request, where there is key binding.
func (f *Flow) provingClient(proof *keyProof, code string) (*http.Client, error) {
	client, err := f.tokenClient()
	if err == nil && proof != nil {
		client.Transport = &proofTransport{next: client.Transport, proof: proof, code: code}
	}
	return client, err
}

// proofTransport adds the header DPoP.
type proofTransport struct {
	next  http.RoundTripper
	proof *keyProof
	code  string

	mu    sync.Mutex
	nonce string // the newest one of the provider
}

// RoundTrip sends a request again, once, if the provider wants its nonce in the proof (RFC 9449 §8).
func (t *proofTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.send(r)
	if err != nil || r.GetBody == nil || answer.Header.Get("DPoP-Nonce") == "" || answer.StatusCode/100 != 4 {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	members, err := pktoken.ParseObject(body)
	if err != nil || members["error"] != "use_dpop_nonce" {
		return answer, nil
	}
	again := r.Clone(r.Context())
	if again.Body, err = r.GetBody(); err != nil {
		return nil, err
	}
	return t.send(again)
}

func (t *proofTransport) send(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	nonce := t.nonce
	t.mu.Unlock()
	proof, err := t.proof.sign(r.Method, r.URL, t.code, nonce)
	if err != nil {
		return nil, err
	}
	proven := r.Clone(r.Context())
	proven.Header.Set("DPoP", proof)
	answer, err := t.next.RoundTrip(proven)
	if err != nil {
		return nil, err
	}
	if next := answer.Header.Get("DPoP-Nonce"); next != "" {
		t.mu.Lock()
		t.nonce = next
		t.mu.Unlock()
	}
	return answer, nil
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach the connections.
func (t *proofTransport) CloseIdleConnections() {
	(&http.Client{Transport: t.next}).CloseIdleConnections()
}

// checkNonce: what was sent has to come back (OpenID Connect Core §3.1.3.7, step 11). Without key binding the commitment is
// the nonce and the verifier has looked already; the device flow has no nonce (RFC 8628).
func (f *Flow) checkNonce(client *pktoken.ClientInstance, verified *pktoken.Verified) error {
	if !f.Provider.KeyBinding || f.Kind == FlowDevice {
		return nil
	}
	if nonce, _ := verified.Claim("nonce"); nonce == client.Commitment() {
		return nil
	}
	return &Error{
		Code:   CodeIDToken,
		Detail: "the provider's ID token belongs to another login: it does not have this login's nonce",
		Hint:   idTokenHints[pktoken.ReasonCommitment],
	}
}

// keyBindingHint is for an ID token in which the key should have been.
const keyBindingHint = "the provider must support OpenID Connect Key Binding and allow this client the scope bound_key; where it does not, " +
	"leave key_binding out, and commitment=cnf on the hosts"

// refuseIDToken is idTokenError, with other words where the key should have been in the token.
func (f *Flow) refuseIDToken(err error) error {
	reject := (*pktoken.RejectError)(nil)
	if f.Provider.KeyBinding && errors.As(err, &reject) && (reject.Reason == pktoken.ReasonTokenType || reject.Reason == pktoken.ReasonCommitment) {
		return &Error{Code: CodeKeyBinding, Detail: "the provider did not bind the ID token to your key", Hint: keyBindingHint, Err: err}
	}
	return idTokenError(err)
}

// tokenContext lets the library use a client.
func tokenContext(ctx context.Context, client *http.Client) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, client)
}
