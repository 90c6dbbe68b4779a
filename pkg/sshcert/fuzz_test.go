package sshcert_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/allocation"
	"opkssh/integration/authorizedkeys"
	"opkssh/pkg/sshcert"
)

// FuzzCertificateToLine: whatever a client offers, the line says to sshd what was meant and nothing else, and there is one for
// every certificate that is accepted.
func FuzzCertificateToLine(f *testing.F) {
	fx := alice(f)
	f.Add(fx.cert.Marshal(), "root", `echo "hi"`)
	f.Add(fx.signer.PublicKey().Marshal(), "root", "")
	for _, principals := range [][]string{nil, {"root", "alice"}, {`root",command="id`}, {"root\nssh-ed25519"}, {"a,b"}, {""}} {
		fx.cert.ValidPrincipals = principals
		fx.sign(f)
		f.Add(fx.cert.Marshal(), "root", `a\" ssh-ed25519 AAAA`)
	}
	f.Fuzz(func(t *testing.T, wire []byte, user, command string) {
		var c *sshcert.Certificate
		allocation.Check(t, len(wire), func() {
			if key, err := ssh.ParsePublicKey(wire); err == nil {
				c, _ = sshcert.FromKey(key)
			}
		})
		if c == nil {
			return
		}
		var accepted error
		allocation.Check(t, len(wire), func() { accepted = c.Check(fx.verified, user, time.Now()) })
		// Its fingerprint is in the log and in deny lists.
		if accepted == nil && !bytes.Equal(c.SSH().Marshal(), wire) {
			t.Error("accepted with a second spelling")
		}
		for _, options := range [][]sshcert.Option{nil, {{Name: "command", Value: command, HasValue: true}, {Name: "no-pty"}}} {
			line, err := sshcert.AuthorizedKeysLine(c, options)
			switch {
			case err == nil:
				checkLine(t, line, c.SSH(), options)
			case line != "":
				t.Errorf("the line %q beside the error %v", line, err)
			case options == nil && accepted == nil:
				t.Errorf("accepted without a line: %v", err)
			}
		}
	})
}

// checkLine reads the line as sshd does.
func checkLine(t *testing.T, text string, cert *ssh.Certificate, options []sshcert.Option) {
	t.Helper()
	line, err := authorizedkeys.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	want := []authorizedkeys.Option{{Name: "cert-authority"}}
	if len(cert.ValidPrincipals) > 0 {
		want = append(want, authorizedkeys.Option{Name: "principals", Value: strings.Join(cert.ValidPrincipals, ","), HasValue: true})
	}
	for _, o := range options {
		want = append(want, authorizedkeys.Option(o))
	}
	if !slices.Equal(line.Options, want) {
		t.Errorf("%q: expected %v, got %v", text, want, line.Options)
	}
	if line.KeyType != cert.SignatureKey.Type() || !bytes.Equal(line.Key, cert.SignatureKey.Marshal()) || line.Comment != "" {
		t.Errorf("%q: expected the signer's key and nothing behind it", text)
	}
}
