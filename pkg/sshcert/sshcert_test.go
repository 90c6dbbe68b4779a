package sshcert_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// fixture is a verified token, its certificate and the key that can sign variants of it.
type fixture struct {
	signer   ssh.Signer
	verified *pktoken.Verified
	cert     *ssh.Certificate
}

func newFixture(t testing.TB, user crypto.Signer, claims map[string]any, template sshcert.Template) fixture {
	t.Helper()
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	verified := issuer.Verified(t, user, claims)
	signer, err := ssh.NewSignerFromSigner(user)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sshcert.New(rand.Reader, signer, verified.Token(), template)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{signer, verified, cert}
}

func alice(t testing.TB) fixture {
	return newFixture(t, pktokentest.UserKey(t), map[string]any{"email": "alice@example.com"}, sshcert.Template{})
}

// check sends the certificate through the wire format, as sshd would.
func (f fixture) check(t testing.TB, user string) error {
	t.Helper()
	key, err := ssh.ParsePublicKey(f.cert.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	c, err := sshcert.FromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return c.Check(f.verified, user, time.Now())
}

func (f fixture) sign(t testing.TB) {
	t.Helper()
	if err := f.cert.SignCert(rand.Reader, f.signer); err != nil {
		t.Fatal(err)
	}
}

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signerOf(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewIsAcceptedAndReadBySSHKeygen(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"ecdsa": pktokentest.UserKey(t), "ed25519": ed25519Key(t)} {
		t.Run(name, func(t *testing.T) {
			end := time.Now().Add(time.Hour)
			f := newFixture(t, key, map[string]any{"email": "alice@example.com"},
				sshcert.Template{Principals: []string{"alice", "root"}, ValidBefore: end, AccessToken: "at-1"})
			if err := f.check(t, "root"); err != nil {
				t.Fatal(err)
			}
			line := sshcert.MarshalLine(f.cert, sshcert.Comment)
			c, comment, err := sshcert.ParseLine(line)
			if err != nil || comment != sshcert.Comment {
				t.Fatalf("comment %q, error %v", comment, err)
			}
			if c.AccessToken() != "at-1" {
				t.Errorf("access token: got %q", c.AccessToken())
			}
			file := filepath.Join(t.TempDir(), "key-cert.pub")
			if err := os.WriteFile(file, line, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("ssh-keygen", "-L", "-f", file).CombinedOutput()
			if err != nil {
				t.Fatalf("ssh-keygen: %v\n%s", err, out)
			}
			for _, want := range []string{`Key ID: "alice@example.com"`, "user certificate", "alice\n", "root\n", "openpubkey-pkt", "openpubkey-act", "permit-pty", "permit-user-rc"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("ssh-keygen -L does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestNewKeyID(t *testing.T) {
	f := newFixture(t, pktokentest.UserKey(t), map[string]any{"sub": "user-42"}, sshcert.Template{})
	if _, ok := f.cert.Extensions[sshcert.ExtensionAccessToken]; ok {
		t.Error("expected no extension for an access token that is not there")
	}
	if f.cert.KeyId != "user-42" || !slices.Equal(f.cert.ValidPrincipals, []string{sshcert.WildcardPrincipal}) || f.cert.ValidBefore != ssh.CertTimeInfinity {
		t.Errorf("key ID %q, principals %q, valid before %d", f.cert.KeyId, f.cert.ValidPrincipals, f.cert.ValidBefore)
	}
}

func TestNewRefuses(t *testing.T) {
	f := alice(t)
	if _, err := sshcert.New(rand.Reader, signerOf(t, pktokentest.UserKey(t)), f.verified.Token(), sshcert.Template{}); err == nil {
		t.Error("a signer with another key")
	}
	if _, err := sshcert.New(rand.Reader, f.signer, f.verified.Token(), sshcert.Template{Principals: []string{`a"b`}}); err == nil {
		t.Error("a principal with a quote")
	}
	if _, err := sshcert.New(rand.Reader, brokenSigner{f.signer}, f.verified.Token(), sshcert.Template{}); !errors.Is(err, errBroken) {
		t.Errorf("a signer that fails: %v", err)
	}
	if _, err := sshcert.New(rand.Reader, f.signer, f.verified.Token(), sshcert.Template{AccessToken: strings.Repeat("a", sshcert.MaxCertificate)}); err == nil || !strings.Contains(err.Error(), "sshd has room") {
		t.Errorf("a certificate that sshd does not pass on: %v", err)
	}
}

var errBroken = errors.New("broken")

type brokenSigner struct{ ssh.Signer }

func (brokenSigner) Sign(io.Reader, []byte) (*ssh.Signature, error) { return nil, errBroken }

// TestNewLargestToken: three bytes of claims are four of the token, so that one of three lengths fits to the byte.
func TestNewLargestToken(t *testing.T) {
	user := pktokentest.UserKey(t)
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	groups := func(n int) *pktoken.Token {
		return issuer.Token(t, user, map[string]any{"groups": strings.Repeat("g", n)})
	}
	n := (sshcert.MaxToken - len(groups(0).Compact())) / 4 * 3
	for len(groups(n+1).Compact()) <= sshcert.MaxToken {
		n++
	}
	fits, large := groups(n), groups(n+1)
	if size := len(fits.Compact()); size < sshcert.MaxToken-1 {
		t.Fatalf("expected a token of about %d bytes, got %d", sshcert.MaxToken, size)
	}
	if _, err := sshcert.New(rand.Reader, signerOf(t, user), fits, sshcert.Template{}); err != nil {
		t.Errorf("%d bytes: %v", len(fits.Compact()), err)
	}
	_, err := sshcert.New(rand.Reader, signerOf(t, user), large, sshcert.Template{})
	if size := (*sshcert.TokenSizeError)(nil); !errors.As(err, &size) || size.Size != len(large.Compact()) {
		t.Errorf("%d bytes: %v", len(large.Compact()), err)
	}
}

func TestNotOurs(t *testing.T) {
	f := alice(t)
	plain := f.signer.PublicKey()
	if _, err := sshcert.FromKey(plain); !errors.Is(err, sshcert.ErrNotOurs) {
		t.Errorf("a plain key: %v", err)
	}
	delete(f.cert.Extensions, sshcert.ExtensionPKToken)
	if _, err := sshcert.FromKey(f.cert); !errors.Is(err, sshcert.ErrNotOurs) {
		t.Errorf("a certificate without a PK token: %v", err)
	}
}

// TestCheck changes one thing of an acceptable certificate at a time.
func TestCheck(t *testing.T) {
	other := pktokentest.UserKey(t)
	now := uint64(time.Now().Unix())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(t *testing.T, f *fixture)
		user   string
		want   pktoken.Reason
	}{
		{"unchanged", func(*testing.T, *fixture) {}, "root", ""},
		{"host certificate", func(_ *testing.T, f *fixture) { f.cert.CertType = ssh.HostCert }, "root", sshcert.ReasonCertificateType},
		{"unknown type", func(_ *testing.T, f *fixture) { f.cert.CertType = 3 }, "root", sshcert.ReasonCertificateType},
		{"another signer", func(t *testing.T, f *fixture) { f.signer = signerOf(t, other) }, "root", sshcert.ReasonCertificateSigner},
		{"another key, signed by itself", func(t *testing.T, f *fixture) {
			f.signer = signerOf(t, other)
			f.cert.Key = f.signer.PublicKey()
		}, "root", sshcert.ReasonCertificateKey},
		{"an RSA key, signed by itself", func(t *testing.T, f *fixture) {
			f.signer = signerOf(t, rsaKey)
			f.cert.Key = f.signer.PublicKey()
		}, "root", sshcert.ReasonCertificateKey},
		{"not valid yet", func(_ *testing.T, f *fixture) { f.cert.ValidAfter = now + 1000 }, "root", sshcert.ReasonCertificateTime},
		{"no longer valid", func(_ *testing.T, f *fixture) { f.cert.ValidBefore = now - 1 }, "root", sshcert.ReasonCertificateTime},
		{"valid now", func(_ *testing.T, f *fixture) { f.cert.ValidAfter, f.cert.ValidBefore = now-10, now+1000 }, "root", ""},
		{"empty key ID", func(_ *testing.T, f *fixture) { f.cert.KeyId = "" }, "root", ""},
		{"key ID is sub", func(_ *testing.T, f *fixture) { f.cert.KeyId = "user-1" }, "root", ""},
		{"key ID is somebody else", func(_ *testing.T, f *fixture) { f.cert.KeyId = "bob@example.com" }, "root", sshcert.ReasonKeyID},
		{"unknown critical option", func(_ *testing.T, f *fixture) { f.cert.CriticalOptions = map[string]string{"new-option": ""} }, "root", sshcert.ReasonCriticalOption},
		{"critical options of sshd", func(_ *testing.T, f *fixture) {
			f.cert.CriticalOptions = map[string]string{"force-command": "true", "source-address": "127.0.0.1", "verify-required": ""}
		}, "root", ""},
		{"no principals", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = nil }, "root", ""},
		{"the user among the principals", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"web", "root"} }, "root", ""},
		{"other principals", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"web"} }, "root", sshcert.ReasonPrincipals},
		{"principal in other case", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"Root"} }, "root", sshcert.ReasonPrincipals},
		{"quote in a principal", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"root", `x",command="id`} }, "root", sshcert.ReasonPrincipals},
		{"comma in a principal", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"root,web"} }, "root", sshcert.ReasonPrincipals},
		{"line break in a principal", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"root", "web\n"} }, "root", sshcert.ReasonPrincipals},
		{"pattern in a principal", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"root", "*"} }, "root", sshcert.ReasonPrincipals},
		{"256 principals", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = manyPrincipals(256) }, "root", ""},
		{"257 principals", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = manyPrincipals(257) }, "root", sshcert.ReasonPrincipals},
		{"user name with a dollar sign", func(_ *testing.T, f *fixture) { f.cert.ValidPrincipals = []string{"host1$"} }, "host1$", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := alice(t)
			test.change(t, &f)
			f.sign(t)
			wantReason(t, f.check(t, test.user), test.want)
		})
	}
}

func manyPrincipals(n int) []string {
	names := []string{"root"}
	for i := 1; i < n; i++ {
		names = append(names, fmt.Sprintf("user%d", i))
	}
	return names
}

// TestPrincipalPattern: the check by hand is the expression that the specification gives and errors show.
func TestPrincipalPattern(t *testing.T) {
	pattern := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}\$?$`)
	names := []string{"", "$", "a$$", "a$b", "é", "\xff", strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("a", 128) + "$", strings.Repeat("a", 128) + "$$"}
	for c := range 256 {
		names = append(names, string([]byte{byte(c)}), string([]byte{'a', byte(c)}), string([]byte{byte(c), '$'}), string([]byte{'a', byte(c), 'b'}))
	}
	for _, name := range names {
		if got, want := sshcert.CheckPrincipals([]string{name}) == nil, pattern.MatchString(name); got != want {
			t.Errorf("%q: expected %v, got %v", name, want, got)
		}
	}
}

func wantReason(t *testing.T, err error, want pktoken.Reason) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var r *pktoken.RejectError
	if !errors.As(err, &r) {
		t.Fatalf("expected %s, got %v", want, err)
	}
	if r.Reason != want {
		t.Fatalf("expected %s, got %s (%v)", want, r.Reason, err)
	}
}

func TestCheckFalseSignature(t *testing.T) {
	f := alice(t)
	f.cert.KeyId = "user-1" // after signing
	wantReason(t, f.check(t, "root"), sshcert.ReasonCertificateSignature)
}

// TestCheckSigner changes one thing of a certificate that is signed by its own RSA key.
func TestCheckSigner(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer := signerOf(t, key).(ssh.AlgorithmSigner)
	signAs := func(cert *ssh.Certificate, format string) {
		algorithm, err := ssh.NewSignerWithAlgorithms(signer, []string{format})
		if err != nil {
			t.Fatal(err)
		}
		if err := cert.SignCert(rand.Reader, algorithm); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(cert *ssh.Certificate)
		want   pktoken.Reason
	}{
		"SHA-256": {func(cert *ssh.Certificate) { signAs(cert, ssh.KeyAlgoRSASHA256) }, ""},
		"SHA-512": {func(cert *ssh.Certificate) { signAs(cert, ssh.KeyAlgoRSASHA512) }, ""},
		"SHA-1":   {func(cert *ssh.Certificate) { signAs(cert, ssh.KeyAlgoRSA) }, sshcert.ReasonCertificateSignature},
		"none":    {func(*ssh.Certificate) {}, sshcert.ReasonCertificateSignature},
		"other name": {func(cert *ssh.Certificate) {
			signAs(cert, ssh.KeyAlgoRSASHA256)
			cert.Signature.Format = ssh.KeyAlgoRSASHA512
		}, sshcert.ReasonCertificateSignature},
	} {
		t.Run(name, func(t *testing.T) {
			cert := &ssh.Certificate{Key: signer.PublicKey(), SignatureKey: signer.PublicKey(), CertType: ssh.UserCert}
			cert.Extensions = map[string]string{sshcert.ExtensionPKToken: "token"}
			test.change(cert)
			c, err := sshcert.FromKey(cert)
			if err != nil {
				t.Fatal(err)
			}
			wantReason(t, c.CheckSigner(), test.want)
		})
	}
}

func TestCheckNestedCertificate(t *testing.T) {
	f, inner := alice(t), alice(t)
	f.cert.SignatureKey = inner.cert
	c, err := sshcert.FromKey(f.cert)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Check(f.verified, "root", time.Now())
	wantReason(t, err, sshcert.ReasonCertificateSigner)
	if !strings.Contains(err.Error(), "itself a certificate") {
		t.Errorf("expected the cause, got %v", err)
	}
}

// TestCheckAnotherToken: a verified one that commits to the same key.
func TestCheckAnotherToken(t *testing.T) {
	key := pktokentest.UserKey(t)
	f := newFixture(t, key, map[string]any{"email": "alice@example.com"}, sshcert.Template{})
	g := newFixture(t, key, map[string]any{"email": "alice@example.com"}, sshcert.Template{})
	f.verified = g.verified
	wantReason(t, f.check(t, "root"), sshcert.ReasonCertificateKey)
}

// TestCheckEdges: valid from the first second on, and not in the last one any more, as for sshd.
func TestCheckEdges(t *testing.T) {
	f := alice(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	end := start.Add(10 * time.Minute)
	f.cert.ValidAfter, f.cert.ValidBefore = uint64(start.Unix()), uint64(end.Unix())
	f.sign(t)
	c, err := sshcert.FromKey(f.cert)
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[time.Time]pktoken.Reason{
		start.Add(-time.Second): sshcert.ReasonCertificateTime,
		start:                   "",
		end.Add(-time.Second):   "",
		end:                     sshcert.ReasonCertificateTime,
		time.Unix(-1, 0):        sshcert.ReasonCertificateTime,
	} {
		t.Run(now.UTC().Format(time.RFC3339), func(t *testing.T) { wantReason(t, c.Check(f.verified, "root", now), want) })
	}
}

func TestParseLineRefuses(t *testing.T) {
	f := alice(t)
	line := strings.TrimSuffix(string(sshcert.MarshalLine(f.cert, "comment")), "\n")
	for name, text := range map[string]string{
		"nothing":          "",
		"no key":           "comment alone",
		"plain key":        string(ssh.MarshalAuthorizedKey(f.signer.PublicKey())),
		"options":          "no-pty " + line,
		"two certificates": line + "\n" + line + "\n",
		"a second line":    line + "\nmore",
	} {
		if c, _, err := sshcert.ParseLine([]byte(text)); err == nil || c != nil {
			t.Errorf("%s: expected an error, got %v", name, c)
		}
	}
	if _, comment, err := sshcert.ParseLine([]byte(line + "\n \n")); err != nil || comment != "comment" {
		t.Errorf("expected a certificate, got %q, %v", comment, err)
	}
}

func TestCheckNothingVerified(t *testing.T) {
	f := alice(t)
	for _, v := range []*pktoken.Verified{nil, {}} {
		f.verified = v
		wantReason(t, f.check(t, "root"), sshcert.ReasonCertificateKey)
	}
}

// TestOptionNames: of the bytes, letters may begin a name, and digits and hyphens may follow.
func TestOptionNames(t *testing.T) {
	c, err := sshcert.FromKey(alice(t).cert)
	if err != nil {
		t.Fatal(err)
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for b := range 256 {
		for name, accepted := range map[string]string{string([]byte{byte(b)}): letters, string([]byte{'x', byte(b)}): letters + "0123456789-"} {
			want := strings.IndexByte(accepted, byte(b)) >= 0
			if _, err := sshcert.AuthorizedKeysLine(c, []sshcert.Option{{Name: name}}); (err == nil) != want {
				t.Errorf("%q: expected %v, got %v", name, want, err)
			}
		}
	}
}

func TestAuthorizedKeysLine(t *testing.T) {
	f := alice(t)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(f.signer.PublicKey())))
	tests := []struct {
		name       string
		principals []string
		options    []sshcert.Option
		want       string // without the key; "" for an error
	}{
		{"wildcard", []string{sshcert.WildcardPrincipal}, nil, `cert-authority,principals="opkssh-wildcard"`},
		{"none", nil, nil, `cert-authority`},
		{"several", []string{"a", "b$"}, nil, `cert-authority,principals="a,b$"`},
		{"options", nil, []sshcert.Option{{Name: "no-pty"}, {Name: "command", Value: `echo "hi" \n`, HasValue: true}}, `cert-authority,no-pty,command="echo \"hi\" \n"`},
		{"empty value", nil, []sshcert.Option{{Name: "from", HasValue: true}}, `cert-authority,from=""`},
		{"quote in a principal", []string{`a"b`}, nil, ""},
		{"backslash at the end", nil, []sshcert.Option{{Name: "command", Value: `x\`, HasValue: true}}, ""},
		{"line break in a value", nil, []sshcert.Option{{Name: "command", Value: "x\ny", HasValue: true}}, ""},
		{"NUL in a value", nil, []sshcert.Option{{Name: "command", Value: "x\x00y", HasValue: true}}, ""},
		{"DEL in a value", nil, []sshcert.Option{{Name: "command", Value: "x\x7fy", HasValue: true}}, ""},
		{"empty name", nil, []sshcert.Option{{}}, ""},
		{"principals as an option", nil, []sshcert.Option{{Name: "Principals", Value: "root", HasValue: true}}, ""},
		{"cert-authority as an option", nil, []sshcert.Option{{Name: "cert-authority"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.cert.ValidPrincipals = test.principals
			c, err := sshcert.FromKey(f.cert)
			if err != nil {
				t.Fatal(err)
			}
			got, err := sshcert.AuthorizedKeysLine(c, test.options)
			if test.want == "" {
				if err == nil {
					t.Fatalf("expected an error, got %q", got)
				}
				return
			}
			if err != nil || got != test.want+" "+key {
				t.Fatalf("expected %q and the key, got %q, %v", test.want, got, err)
			}
		})
	}
}

// TestVectors runs the certificates of another implementation through the whole check.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../pktoken/testdata/pktoken.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Issuer, Commitment, Certificate string
		ClientID                              string `json:"client_id"`
		PKToken                               string `json:"pk_token"`
		PrivateKeyPEM                         string `json:"private_key_pem"`
		IssuedAt                              int64  `json:"issued_at"`
		JWKS                                  json.RawMessage
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, vector := range vectors {
		t.Run(vector.Name, func(t *testing.T) {
			c, _, err := sshcert.ParseLine([]byte(vector.Certificate))
			if err != nil {
				t.Fatal(err)
			}
			token, err := c.PKToken()
			if err != nil {
				t.Fatal(err)
			}
			if token.Compact() != vector.PKToken {
				t.Error("the token in the certificate is not pk_token")
			}
			keys, err := pktoken.ParseJWKS(vector.JWKS)
			if err != nil {
				t.Fatal(err)
			}
			commitment, _ := pktoken.ParseCommitment(vector.Commitment)
			now := time.Unix(vector.IssuedAt+1, 0)
			verifier := &pktoken.Verifier{
				Providers: []pktoken.Provider{{Issuer: vector.Issuer, ClientID: vector.ClientID, Commitment: commitment, AllowAccessTokenType: vector.Name == "typ-at-jwt"}},
				Keys:      pktoken.StaticKeySet{vector.Issuer: keys},
				Now:       func() time.Time { return now },
			}
			verified, err := verifier.Verify(context.Background(), token)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Check(verified, "root", now); err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.ParsePrivateKey([]byte(vector.PrivateKeyPEM))
			if err != nil {
				t.Fatal(err)
			}
			// Our own certificate for the same token says the same.
			cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{Principals: c.SSH().ValidPrincipals})
			if err != nil {
				t.Fatal(err)
			}
			// Theirs is empty without an email; ours is sub then.
			if theirs := c.SSH().KeyId; theirs != "" && cert.KeyId != theirs {
				t.Errorf("key ID: theirs %q, ours %q", c.SSH().KeyId, cert.KeyId)
			}
			for name := range c.SSH().Extensions {
				if _, ok := cert.Extensions[name]; !ok {
					t.Errorf("extension %q is missing in ours", name)
				}
			}
		})
	}
}
