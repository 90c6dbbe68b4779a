package sshauth_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/allocation"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// A certificate takes memory in proportion, whichever of its parts is large: its owner writes all of them.
func TestAllocation(t *testing.T) {
	h := newHost(t, aliceRule+"alice oidc:groups:x "+issuerURL+"\nalice oidc:sub:x "+issuerURL+"\n")
	h.source.Policy.Config = parseConfig(t, "deny: [{claim: 'groups:y'}]\ndeny_emails: [b@example.com]\n")
	key := pktokentest.UserKey(t)
	sign := signer(t, key)
	small := certificate(t, key, h.issuer.Token(t, key, claims()), sshcert.Template{})
	// Signed again: sshcert.New writes nothing of this kind.
	signed := func(cert ssh.Certificate) []byte {
		if err := cert.SignCert(rand.Reader, sign); err != nil {
			t.Fatal(err)
		}
		return cert.Marshal()
	}
	withClaims := func(change func(size int, claims map[string]any)) allocation.Input {
		return allocation.Input{Whole: func(size int) []byte {
			more, cert := claims(), *small
			change(size, more)
			cert.Extensions = map[string]string{sshcert.ExtensionPKToken: h.issuer.Token(t, key, more).Compact()}
			return signed(cert)
		}}
	}
	withFields := func(change func(size int, c *ssh.Certificate)) allocation.Input {
		return allocation.Input{Whole: func(size int) []byte {
			cert := *small
			change(size, &cert)
			return signed(cert)
		}}
	}
	many := func(size int) map[string]string {
		options := map[string]string{}
		for i := range size / 16 {
			options[fmt.Sprintf("z%07d", i)] = ""
		}
		return options
	}
	allocation.Linear(t, map[string]allocation.Input{
		// Base64 makes the claims larger by a third.
		"groups": withClaims(func(size int, claims map[string]any) {
			claims["groups"] = strings.Split(strings.Repeat("a ", size/8), " ")
		}),
		"an email":  withClaims(func(size int, claims map[string]any) { claims["email"] = strings.Repeat("a", size/2) + "@example.com" }),
		"a subject": withClaims(func(size int, claims map[string]any) { claims["sub"] = strings.Repeat("a", size/2) }),
		"claims": withClaims(func(size int, claims map[string]any) {
			for name := range many(size / 2) {
				claims[name] = 0
			}
		}),
		"principals": withFields(func(size int, c *ssh.Certificate) {
			c.ValidPrincipals = strings.Split(strings.Repeat("a ", size/5), " ")
		}),
		"a principal": withFields(func(size int, c *ssh.Certificate) { c.ValidPrincipals = []string{strings.Repeat("a", size)} }),
		"extensions": withFields(func(size int, c *ssh.Certificate) {
			c.Extensions = many(size)
			c.Extensions[sshcert.ExtensionPKToken] = small.Extensions[sshcert.ExtensionPKToken]
		}),
		"critical options": withFields(func(size int, c *ssh.Certificate) { c.CriticalOptions = many(size) }),
		"a key ID":         withFields(func(size int, c *ssh.Certificate) { c.KeyId = strings.Repeat("a", size) }),
	}, func(wire []byte) {
		offered, err := ssh.ParsePublicKey(wire)
		if err != nil {
			t.Fatal(err)
		}
		if grant, err := h.authenticator.Authorize(context.Background(), "alice", offered); err == nil {
			_, _ = grant.AuthorizedKeysLine()
		}
	})
}
