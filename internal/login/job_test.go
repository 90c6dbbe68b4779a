package login_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/integration/allocation"
	"opkssh/integration/cisystem"
	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// runJob logs in as the job of system.
func runJob(t *testing.T, alias string, s *cisystem.System) (*login.Result, error) {
	t.Helper()
	network := idp.Network{Getenv: getenv(s.Variables)}
	system, err := login.FindCISystem(alias, getenv(s.Variables), network)
	if err != nil {
		t.Fatal(err)
	}
	job := login.Job{Issuer: system.Issuer, Source: system.Source, Keys: &idp.Cache{Network: network}}
	return job.Login(context.Background(), newClient(t))
}

// wantProof: the token carries a proof, nothing of the signature, and is believed under a row of kind.
func wantProof(t *testing.T, s *cisystem.System, result *login.Result, kind pktoken.Commitment) {
	t.Helper()
	if _, kept := result.Token.IDToken(); kept {
		t.Error("the provider's signature is in the token")
	}
	s.WantNoSecret(t, "the PK token", result.Token.Compact())
	if len(s.Given()) == 0 {
		t.Error("no ID token was given")
	}
	for _, other := range []pktoken.Commitment{
		pktoken.CommitmentNonce, pktoken.CommitmentAudience, pktoken.CommitmentGQ, pktoken.CommitmentKeyBinding,
	} {
		verifier := pktoken.Verifier{
			Providers: []pktoken.Provider{{Issuer: s.URL, Commitment: other}}, Keys: pktokentest.KeySet(t, s.Issuer),
		}
		if _, err := verifier.Verify(context.Background(), result.Token); (err == nil) != (other == kind) {
			t.Errorf("under a row of kind %s: %v", other, err)
		}
	}
}

func TestJobOfEachSystem(t *testing.T) {
	for _, test := range []struct {
		alias   string
		start   func() *cisystem.System
		kind    pktoken.Commitment
		subject string
	}{
		{"github", func() *cisystem.System { return cisystem.StartGitHub(t).System }, pktoken.CommitmentAudience, cisystem.Subject},
		{"forgejo", func() *cisystem.System { return cisystem.StartForgejo(t) }, pktoken.CommitmentAudience, cisystem.Subject},
		{"gitlab-ci", func() *cisystem.System { return cisystem.StartGitLab(t, "OPENPUBKEY-PKTOKEN:infra") }, pktoken.CommitmentGQ, cisystem.GitLabSubject},
	} {
		t.Run(test.alias, func(t *testing.T) {
			s := test.start()
			result, err := runJob(t, test.alias, s)
			if err != nil {
				t.Fatal(err)
			}
			if result.Verified.Subject() != test.subject || result.Verified.Issuer() != s.URL {
				t.Errorf("got %s at %s", result.Verified.Subject(), result.Verified.Issuer())
			}
			wantProof(t, s, result, test.kind)
		})
	}
}

// wantFailure compares codes, and sees to it that no secret is in the words.
func wantFailure(t *testing.T, err error, code login.Code, reason pktoken.Reason, hint string, secrets ...string) {
	t.Helper()
	var failure *login.Error
	if !errors.As(err, &failure) || failure.Code != code {
		t.Fatalf("expected the code %q, got %v", code, err)
	}
	var reject *pktoken.RejectError
	if errors.As(err, &reject); reason != "" && (reject == nil || reject.Reason != reason) {
		t.Errorf("expected the reason %q, got %v", reason, err)
	}
	if !strings.Contains(failure.Hint, hint) {
		t.Errorf("expected a hint with %q, got %q", hint, failure.Hint)
	}
	for _, secret := range secrets {
		if strings.Contains(fmt.Sprintf("%v %+v %s", err, failure, failure.Hint), secret) {
			t.Errorf("%q is in the error: %v", secret, err)
		}
	}
}

// TestActionsAnswers: what can come back instead of an ID token.
func TestActionsAnswers(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"value":%q}`, secret)
		}
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		code   login.Code
		hint   string
	}{
		{"401", status(http.StatusUnauthorized), login.CodeCI, "enable-openid-connect"},
		{"403", status(http.StatusForbidden), login.CodeCI, "enable-openid-connect"},
		{"500", status(http.StatusInternalServerError), login.CodeCI, ""},
		{"201", status(http.StatusCreated), login.CodeCI, ""},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, login.CodeCI, ""},
		{"no JSON", body(secret), login.CodeCI, ""},
		{"an array", body(`["` + secret + `"]`), login.CodeCI, ""},
		{"no value", body(`{"token":"` + secret + `"}`), login.CodeCI, ""},
		{"value in capitals", body(`{"VALUE":"` + secret + `"}`), login.CodeCI, ""},
		{"null", body(`{"value":null}`), login.CodeCI, ""},
		{"empty", body(`{"value":""}`), login.CodeCI, ""},
		{"an object", body(`{"value":{"x":"` + secret + `"}}`), login.CodeCI, ""},
		{"an escape", body(`{"value":"` + secret + `\n"}`), login.CodeCI, ""},
		{"too large", body(`{"value":"` + strings.Repeat("x", 1<<20) + `"}`), login.CodeCI, ""},
		{"no JWT", body(`{"value":"a.b"}`), login.CodeIDToken, ""},
		{"no base64", body(`{"value":"a.!.c"}`), login.CodeIDToken, ""},
		{"no issuer", body(`{"value":"` + secret + `"}`), login.CodeIDToken, "--id-token-command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			system, err := login.FindCISystem("forgejo", getenv(actionsJob(server.URL+"/api/actions/x")), idp.Network{})
			if err != nil {
				t.Fatal(err)
			}
			job := login.Job{Issuer: system.Issuer, Source: system.Source, Keys: pktoken.StaticKeySet{}}
			_, err = job.Login(context.Background(), newClient(t))
			wantFailure(t, err, test.code, "", test.hint, "the-request-token", secret, "c2lnbmF0dXJl")
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		system, err := login.FindCISystem("forgejo", getenv(actionsJob(elsewhere.URL+"/api/actions/x")), idp.Network{})
		if err != nil {
			t.Fatal(err)
		}
		elsewhere.Close()
		_, err = (&login.Job{Issuer: system.Issuer, Source: system.Source}).Login(context.Background(), newClient(t))
		wantFailure(t, err, login.CodeCI, "", "HTTPS_PROXY", "the-request-token")
	})
}

// source is an IDTokenSource that signs claims, with the commitment in the place of "COMMITMENT".
type source struct {
	t      *testing.T
	issuer *pktokentest.Issuer
	claims map[string]any
	given  []byte
}

func (s *source) IDToken(_ context.Context, commitment string) ([]byte, error) {
	claims := map[string]any{}
	for name, value := range s.claims {
		if value == "COMMITMENT" {
			value = commitment
		}
		claims[name] = value
	}
	s.given = []byte(s.issuer.IDToken(s.t, claims))
	return s.given, nil
}

func TestJobRefuses(t *testing.T) {
	op := pktokentest.NewIssuer(t, "https://ci.example.com", "RS256")
	elliptic := pktokentest.NewIssuer(t, "https://ci.example.com", "ES256")
	unpublished := pktokentest.NewIssuer(t, "https://ci.example.com", "RS256")
	unpublished.Kid = "key-2"
	plain := pktokentest.NewIssuer(t, "http://ci.example.com", "RS256")
	past := time.Now().Add(-time.Hour).Unix()
	for _, test := range []struct {
		name   string
		issuer *pktokentest.Issuer
		claims map[string]any
		reason pktoken.Reason
		hint   string
	}{
		{"another audience", op, map[string]any{"aud": "sts.example.com"}, pktoken.ReasonAudience, "id_tokens"},
		{"several audiences", op, map[string]any{"aud": []string{"OPENPUBKEY-PKTOKEN:x", "y"}}, pktoken.ReasonAudience, "{commitment}"},
		{"a list of another one", op, map[string]any{"aud": []string{"x"}}, pktoken.ReasonAudience, ""},
		{"no audience", op, map[string]any{"aud": nil}, pktoken.ReasonAudience, ""},
		{"expired", op, map[string]any{"aud": "COMMITMENT", "iat": past - 300, "exp": past}, pktoken.ReasonExpired, "clock"},
		{"from the future", op, map[string]any{"aud": "COMMITMENT", "iat": past + 7200}, pktoken.ReasonNotYetValid, "clock"},
		{"another issuer", op, map[string]any{"aud": "COMMITMENT", "iss": "https://other.example.com"}, pktoken.ReasonUnknownIssuer, "--id-token"},
		{"an elliptic key", elliptic, map[string]any{"aud": "COMMITMENT"}, pktoken.ReasonAlgorithm, "RS256"},
		{"larger than a PK token", op, map[string]any{"aud": "COMMITMENT", "groups": strings.Repeat("g", 128<<10)}, pktoken.ReasonTooLarge, "groups"},
		{"an unpublished key", unpublished, map[string]any{"aud": "COMMITMENT"}, pktoken.ReasonNoKey, "jwks_uri"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &source{t: t, issuer: test.issuer, claims: test.claims}
			job := login.Job{Issuer: op.URL, Source: s, Keys: pktokentest.KeySet(t, op)}
			_, err := job.Login(context.Background(), newClient(t))
			wantFailure(t, err, login.CodeIDToken, test.reason, test.hint)
			if !bytes.Equal(s.given, make([]byte, len(s.given))) {
				t.Error("the ID token is still in memory")
			}
		})
	}
	t.Run("an issuer without TLS", func(t *testing.T) {
		job := login.Job{Source: &source{t: t, issuer: plain, claims: map[string]any{"aud": "COMMITMENT"}}}
		_, err := job.Login(context.Background(), newClient(t))
		wantFailure(t, err, login.CodeIDToken, "", "")
	})
	t.Run("keys out of reach", func(t *testing.T) {
		job := login.Job{Source: &source{t: t, issuer: op, claims: map[string]any{"aud": "COMMITMENT"}}, Keys: noKeys{}}
		_, err := job.Login(context.Background(), newClient(t))
		wantFailure(t, err, login.CodeIDToken, pktoken.ReasonKeysUnavailable, "HTTPS_PROXY")
	})
}

type noKeys struct{}

func (noKeys) Keys(context.Context, string, func(*pktoken.JWKS) bool) (*pktoken.JWKS, error) {
	return nil, errors.New("no network")
}

// TestJobWipes: after a login nothing of the ID token is in the source's buffer.
func TestJobWipes(t *testing.T) {
	op := pktokentest.NewIssuer(t, "https://ci.example.com", "RS256")
	s := &source{t: t, issuer: op, claims: map[string]any{"aud": "COMMITMENT"}}
	job := login.Job{Source: s, Keys: pktokentest.KeySet(t, op)} // the issuer is the token's
	result, err := job.Login(context.Background(), newClient(t))
	if err != nil {
		t.Fatal(err)
	}
	if result.Verified.Issuer() != op.URL {
		t.Errorf("issuer: got %s", result.Verified.Issuer())
	}
	if !bytes.Equal(s.given, make([]byte, len(s.given))) {
		t.Error("the ID token is still in memory")
	}
}

// TestJobAudienceArray: clusters write a list of one, and hosts must be told to take it.
func TestJobAudienceArray(t *testing.T) {
	op := pktokentest.NewIssuer(t, "https://cluster.example.com", "RS256")
	s := &source{t: t, issuer: op, claims: map[string]any{"aud": []string{"OPENPUBKEY-PKTOKEN:infra"}}}
	result, err := (&login.Job{Source: s, Keys: pktokentest.KeySet(t, op)}).Login(context.Background(), newClient(t))
	if err != nil {
		t.Fatal(err)
	}
	if row := result.Verified.Provider(); !row.AllowAudienceArray || row.Commitment != pktoken.CommitmentGQ {
		t.Errorf("got the row %+v", row)
	}
}

func TestJobEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-r.Context().Done()
	}))
	defer server.Close()
	system, err := login.FindCISystem("forgejo", getenv(actionsJob(server.URL+"/api/actions/x")), idp.Network{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-waiting
		cancel()
	}()
	_, err = (&login.Job{Issuer: system.Issuer, Source: system.Source}).Login(ctx, newClient(t))
	wantFailure(t, err, login.CodeCanceled, "", "")
}

func TestIDTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for _, test := range []struct{ name, text, want string }{
		{"as it is", "a.b.c", "a.b.c"},
		{"with a line end", "a.b.c\n", "a.b.c"},
		{"empty", "\n", ""},
		{"too large", strings.Repeat("x", 1<<20+1), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, f := range []login.IDTokenFile{{Name: file}, {Name: "-", Stdin: strings.NewReader(test.text)}} {
				jwt, err := f.IDToken(context.Background(), "")
				if test.want == "" {
					wantFailure(t, err, login.CodeIDTokenSource, "", "")
				} else if err != nil || string(jwt) != test.want {
					t.Errorf("%s: got %q, %v", f.Name, jwt, err)
				}
			}
		})
	}
	_, err := login.IDTokenFile{Name: file + "-missing"}.IDToken(context.Background(), "")
	wantFailure(t, err, login.CodeIDTokenSource, "", "")
}

// TestMain lets this program be the command that prints an ID token.
func TestMain(m *testing.M) {
	switch mode := os.Getenv("PRINT"); mode {
	case "":
		os.Exit(m.Run())
	case "arguments":
		fmt.Println(strings.Join(os.Args[1:], "|") + "|" + os.Getenv("OPKSSH_COMMITMENT") + "|" + os.Getenv("OTHER"))
	case "fail":
		fmt.Println("secret.on.stdout")
		_, _ = io.WriteString(os.Stderr, "sorry\n")
		os.Exit(3)
	case "much":
		_, _ = io.Copy(os.Stdout, io.LimitReader(zeros{}, 4<<20))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("0"), len(p))), nil }

func TestIDTokenCommand(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(mode string, words ...string) (string, string, error) {
		var stderr strings.Builder
		command := login.IDTokenCommand{
			Words: append([]string{self}, words...), Environ: []string{"PRINT=" + mode, "OTHER=kept", "OPKSSH_COMMITMENT=stale"}, Stderr: &stderr,
		}
		jwt, err := command.IDToken(context.Background(), "the-commitment")
		return string(jwt), stderr.String(), err
	}
	got, _, err := run("arguments", "--aud", "{commitment}", `{"aud":"{commitment}"}`, "$HOME; x")
	if want := `--aud|the-commitment|{"aud":"the-commitment"}|$HOME; x|the-commitment|kept`; err != nil || got != want {
		t.Errorf("expected %q, got %q, %v", want, got, err)
	}
	_, stderr, err := run("fail")
	wantFailure(t, err, login.CodeIDTokenSource, "", "", "secret.on.stdout")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || stderr != "sorry\n" {
		t.Errorf("got %v, standard error %q", err, stderr)
	}
	_, _, err = run("much")
	wantFailure(t, err, login.CodeIDTokenSource, "", "")
	_, err = login.IDTokenCommand{Words: []string{self + "-missing"}}.IDToken(context.Background(), "")
	wantFailure(t, err, login.CodeIDTokenSource, "", "")
}

func base64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// FuzzJob: no answer makes a login, or breaks it.
func FuzzJob(f *testing.F) {
	f.Add("a.b.c")
	f.Add("..")
	f.Add(base64url(`{"alg":"RS256","kid":1}`) + "." + base64url(`{"iss":"https://ci.example.com","aud":"OPENPUBKEY-PKTOKEN:x"}`) + ".AA")
	f.Add(base64url(`{"alg":"RS256","kid":"key-1"}`) + "." + base64url(`{"iss":"https://ci.example.com","aud":["x"]}`) + ".")
	f.Fuzz(func(t *testing.T, jwt string) {
		op := pktokentest.NewIssuer(t, "https://ci.example.com", "RS256")
		job := login.Job{Source: login.IDTokenFile{Name: "-", Stdin: strings.NewReader(jwt)}, Keys: pktokentest.KeySet(t, op)}
		client := newClient(t)
		allocation.Check(t, len(jwt), func() {
			_, err := job.Login(context.Background(), client)
			wantPrintable(t, err)
		})
	})
}
