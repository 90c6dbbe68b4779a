package load_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/loginform"
	"opkssh/integration/provider"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// padded are alice's claims with one more of so many bytes.
func padded(bytes int) map[string]any {
	claims := maps.Clone(alice)
	claims["groups"] = strings.Repeat("g", bytes)
	return claims
}

// largestPadding is what the longest token takes that goes into a certificate.
func largestPadding(t *testing.T, op *issuer.Issuer) int {
	t.Helper()
	user := pktokentest.UserKey(t)
	fits := func(padding int) bool { return len(op.Token(t, user, padded(padding)).Compact()) <= sshcert.MaxToken }
	// In base64, 3 bytes are 4.
	padding := (sshcert.MaxToken - len(op.Token(t, user, padded(0)).Compact())) / 4 * 3
	for ; !fits(padding); padding-- {
	}
	for ; fits(padding + 1); padding++ {
	}
	return padding
}

// TestLargestToken: what a certificate has room for, sshd takes, hands on, and lets in.
func TestLargestToken(t *testing.T) {
	op := issuer.Start(t)
	h := startHost(t, op)
	padding := largestPadding(t, op)
	id := op.Login(t, padded(padding))
	// Base64 leaves out some lengths.
	if size := len(id.Token.Compact()); size > sshcert.MaxToken || size < sshcert.MaxToken-3 {
		t.Fatalf("expected a token of 64 KiB, got %d bytes", size)
	}
	wantIn(t, h, clientOf(t, h, id))

	// With an access token of the size that a host still uses, too.
	var err error
	id.Certificate, err = sshcert.New(rand.Reader, id.Signer, id.Token, sshcert.Template{AccessToken: strings.Repeat("a", 16<<10)})
	check(t, err)
	id.Write(t)
	wantIn(t, h, clientOf(t, h, id))
}

// TestNoRoomInCertificate: what no host could take, nobody gets.
func TestNoRoomInCertificate(t *testing.T) {
	op := issuer.Start(t)
	user := pktokentest.UserKey(t)
	signer, err := ssh.NewSignerFromSigner(user)
	check(t, err)
	padding := largestPadding(t, op)
	token, tooLong := op.Token(t, user, padded(padding)), op.Token(t, user, padded(padding+1))
	for _, test := range []struct {
		token    *pktoken.Token
		template sshcert.Template
		want     string
	}{
		{tooLong, sshcert.Template{}, "the PK token has 6553[7-9] bytes, and a certificate has room for 65536$"},
		{token, sshcert.Template{AccessToken: strings.Repeat("a", 32<<10)}, "the certificate has [0-9]+ bytes, and sshd has room for 98301: leave out the access token"},
	} {
		_, err := sshcert.New(rand.Reader, signer, test.token, test.template)
		if err == nil || !regexp.MustCompile(test.want).MatchString(err.Error()) {
			t.Errorf("expected %q, got %v", test.want, err)
		}
	}
}

// TestCertificateTooLargeForHost: somebody whose own client makes larger certificates is refused before our program is asked. One byte
// more than [sshcert.MaxCertificate] is one byte too many.
func TestCertificateTooLargeForHost(t *testing.T) {
	op := issuer.Start(t)
	h := startHost(t, op)
	id := op.Login(t, alice)
	ofSize := func(size int) {
		const name = "more"
		id.Certificate.Extensions[name] = "m"
		id.Write(t)
		id.Certificate.Extensions[name] = strings.Repeat("m", 1+size-len(id.Certificate.Marshal()))
		id.Write(t)
		// A signature of ECDSA has a byte or two more or less (RFC 5656 §3.1.2).
		for len(id.Certificate.Marshal()) != size {
			id.Write(t)
		}
	}
	const refused = "AuthorizedKeysCommand execve"
	ofSize(sshcert.MaxCertificate)
	wantIn(t, h, clientOf(t, h, id))
	records := len(h.Records(t))
	if strings.Contains(h.Log(), refused) {
		t.Fatalf("%s", h.Log())
	}
	ofSize(sshcert.MaxCertificate + 1)
	r := clientOf(t, h, id).SSH(t, "alice", "id -un")
	if r.ExitCode != 255 || r.Stdout != "" || !strings.Contains(r.Stderr, "Permission denied (publickey)") {
		t.Errorf("expected a refusal, got %+v", r)
	}
	h.WaitLog(t, refused)
	if more := len(h.Records(t)) - records; more != 0 {
		t.Errorf("expected that the verifier is not asked, got %d records", more)
	}
}

// TestManyGroups: somebody's ID token names 1 500 groups, and the last of them lets them in. 3 000 are too many for the certificate, and
// the login says so and leaves nothing.
func TestManyGroups(t *testing.T) {
	member := func(name string, groups int) provider.User {
		u := provider.User{Name: name, Subject: name, Email: name + "@example.com", EmailVerified: true, Password: name + "-password"}
		for i := range groups {
			u.Groups = append(u.Groups, fmt.Sprintf("department-%04d-engineers", i))
		}
		return u
	}
	p := provider.Start(t, provider.Zitadel, provider.WithUser(member("carol", 1500)), provider.WithUser(member("dave", 3000)))
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice oidc:groups:department-1499-engineers")

	carol, dave := endtoend.NewPerson(t, p, "carol"), endtoend.NewPerson(t, p, "dave")
	withGroups := []string{"--provider", carol.Describe() + ",,openid profile email groups"}
	carol.Login(t, withGroups...)
	wantIn(t, h, h.Client(t, carol.Key(), carol.Certificate()))

	login := dave.StartLogin(t, withGroups...)
	_, err := loginform.Login(t.Context(), p.HTTPClient(), login.URL, dave.User.Name, dave.User.Password)
	check(t, err)
	output, code := login.Wait(t)
	if code != 1 || !strings.Contains(output, "and a certificate has room for 65536\nhint: have the provider leave groups out") {
		t.Errorf("exit code %d\n%s", code, output)
	}
	if left, err := os.ReadDir(filepath.Join(dave.Home, ".ssh")); err == nil && len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
