package attacks_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// TestCertificate.
//
// Power: makes any certificate around a PK token, the attacker's own or one that was seen.
// Move: lets sshd trust a key that the token does not name, or a certificate for more than the token's owner made it for.
// Expected: certificate-…, by what is wrong; silent where it is no certificate that can be read.
func TestCertificate(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	stranger := sshSigner(t, pktokentest.UserKey(t))
	cert := func(change func(*ssh.Certificate)) func(*forgery) { return func(f *forgery) { f.cert = change } }
	signed := func(change func(*ssh.Certificate)) func(*forgery) { return func(f *forgery) { f.signed = change } }
	principals := func(names ...string) func(*forgery) { return func(f *forgery) { f.principals = names } }
	keyID := func(id string) func(*forgery) { return func(f *forgery) { f.keyID = &id } }
	critical := func(name, value string) func(*forgery) {
		return cert(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} })
	}
	many := func(n int) []string {
		names := []string{"alice"}
		for i := range n - 1 {
			names = append(names, fmt.Sprintf("user-%d", i))
		}
		return names
	}
	now := uint64(time.Now().Unix())
	hour := uint64(3600)
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"wrong signer", func(f *forgery) { f.signer = stranger }, "certificate-signer"},
		{"wrong key, signed by the right one", cert(func(c *ssh.Certificate) { c.Key = stranger.PublicKey() }), "certificate-signer"},
		{"wrong key and signer", func(f *forgery) {
			f.signer, f.cert = stranger, func(c *ssh.Certificate) { c.Key = stranger.PublicKey() }
		}, "certificate-key"},
		{"another type of key", func(f *forgery) {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			check(f.t, err)
			f.signer = sshSigner(f.t, private)
			f.cert = func(c *ssh.Certificate) { c.Key = f.signer.PublicKey() }
		}, "certificate-key"},
		{"an RSA key", func(f *forgery) {
			f.signer = sshSigner(f.t, strangerKey())
			f.cert = func(c *ssh.Certificate) { c.Key = f.signer.PublicKey() }
		}, "certificate-key"},
		{"host certificate", cert(func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), "certificate-type"},
		{"of an unknown type", cert(func(c *ssh.Certificate) { c.CertType = 3 }), "certificate-type"},
		{"signature changed", signed(func(c *ssh.Certificate) { c.Signature.Blob[10] ^= 1 }), "certificate-signature"},
		{"signature of another certificate", signed(func(c *ssh.Certificate) { c.Serial++ }), "certificate-signature"},
		{"principal added after it was signed", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"alice", "root"} }), "certificate-signature"},
		{"signature of another format", signed(func(c *ssh.Certificate) { c.Signature.Format = "ssh-rsa" }), "certificate-signature"},
		{"empty signature", signed(func(c *ssh.Certificate) { c.Signature.Blob = nil }), "certificate-signature"},
		{"expired", cert(func(c *ssh.Certificate) { c.ValidBefore = now - hour }), "certificate-time"},
		{"not yet valid", cert(func(c *ssh.Certificate) { c.ValidAfter = now + hour }), "certificate-time"},
		{"end before its start", cert(func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = now+hour, now-hour }), "certificate-time"},
		{"end at 0", cert(func(c *ssh.Certificate) { c.ValidBefore = 0 }), "certificate-time"},
		{"start past 63 bits", cert(func(c *ssh.Certificate) { c.ValidAfter = 1 << 63 }), "certificate-time"},
		{"unknown critical option", critical("no-such-option", ""), "certificate-critical-option"},
		{"known critical option", critical("source-address", "192.0.2.0/24"), allowed},
		{"known critical option in capitals", critical("Force-Command", "id"), "certificate-critical-option"},
		{"known critical option with a NUL", critical("force-command\x00", "id"), "certificate-critical-option"},
		{"an extension of the token's name as an option", critical(sshcert.ExtensionPKToken, "x"), "certificate-critical-option"},
		{"key ID of another", keyID("root@example.com"), "certificate-key-id"},
		{"key ID in capitals", keyID("Alice@example.com"), "certificate-key-id"},
		{"key ID of two", keyID("alice@example.com,bob@example.com"), "certificate-key-id"},
		{"key ID empty", keyID(""), allowed},
		{"for another user", principals("bob"), "certificate-principals"},
		{"for a user of a longer name", principals("alice2"), "certificate-principals"},
		{"for the user in capitals", principals("Alice"), "certificate-principals"},
		{"for a glob", principals("*"), "certificate-principals"},
		{"for two in one", principals("alice,root"), "certificate-principals"},
		{"for nobody by name", principals(""), "certificate-principals"},
		{"the wildcard in capitals", principals("OPKSSH-WILDCARD"), "certificate-principals"},
		{"for not ASCII", principals("alice", "al\u0131ce"), "certificate-principals"},
		{"for a long name", principals("alice", strings.Repeat("a", 200)), "certificate-principals"},
		{"for the user alone", principals("alice"), allowed},
		{"for nobody", principals(), allowed},
		{"256 principals", principals(many(256)...), allowed},
		{"257 principals", principals(many(257)...), "certificate-principals"},
		{"3 000 principals", principals(many(3_000)...), "certificate-principals"},
		{"another user than the rule's", func(f *forgery) { f.login = "root" }, "no-rule"},
		{"two tokens", cert(func(c *ssh.Certificate) { c.Extensions["openpubkey-pkt2"] = c.Extensions[sshcert.ExtensionPKToken] }), allowed},
		{"token of no bytes", cert(func(c *ssh.Certificate) { c.Extensions[sshcert.ExtensionPKToken] = "" }), "token-malformed"},

		{"token under a name in capitals", cert(func(c *ssh.Certificate) {
			c.Extensions["OpenPubkey-PKT"] = c.Extensions[sshcert.ExtensionPKToken]
			delete(c.Extensions, sshcert.ExtensionPKToken)
		}), silent},
		{"trailing byte", func(f *forgery) { f.wire = func(b []byte) []byte { return append(b, 0) } }, silent},
		{"twice", func(f *forgery) { f.wire = func(b []byte) []byte { return append(b, b...) } }, silent},
		{"truncated", func(f *forgery) { f.wire = func(b []byte) []byte { return b[:len(b)-1] } }, silent},
		{"a length of 4 GiB", func(f *forgery) {
			f.wire = func(b []byte) []byte {
				// The nonce's length follows the type's name.
				binary.BigEndian.PutUint32(b[4+binary.BigEndian.Uint32(b):], 0xffffffff)
				return b
			}
		}, silent},
		{"90 000 bytes of nothing", func(f *forgery) { f.wire = func([]byte) []byte { return make([]byte, 90_000) } }, silent},
	})

	t.Run("nested", func(t *testing.T) {
		// The certificate's signer is a certificate in turn.
		f := forge(t, op.Issuer)
		own := sshSigner(t, f.user)
		inner := &ssh.Certificate{Key: own.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
		check(t, inner.SignCert(rand.Reader, own))
		f.signed = func(c *ssh.Certificate) { c.SignatureKey = inner }
		h.attack(t, f.offer(), silent)
	})
	t.Run("announced as another type", func(t *testing.T) {
		for _, keyType := range []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"} {
			o := forge(t, op.Issuer).offer()
			o.keyType = keyType
			h.attack(t, o, silent)
		}
	})
	t.Run("the bare key", func(t *testing.T) {
		f := forge(t, op.Issuer)
		key := sshSigner(t, f.user).PublicKey()
		h.attack(t, &offer{user: "alice", keyType: key.Type(), wire: key.Marshal()}, silent)
	})
}

func sshSigner(t *testing.T, key any) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	check(t, err)
	return signer
}
