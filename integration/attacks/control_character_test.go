package attacks_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// injections are what an attacker would like to see written as it is.
var injections = map[string]string{
	"line":       "\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGo9 x",
	"log line":   "\n{\"time\":\"2026-11-20T06:00:00Z\",\"level\":\"INFO\",\"msg\":\"login\",\"decision\":\"allow\"}\n",
	"return":     "\rcert-authority ",
	"quote":      `" ssh-ed25519 AAAA`,
	"option":     `",command="id",principals="root`,
	"comma":      ",root,opkssh-wildcard",
	"backslash":  `\" \n \x00`,
	"NUL":        "\x00root",
	"escape":     "\x1b]0;x\a\x1b[2J\x1b[31m",
	"8-bit CSI":  "\u009b2J",
	"separators": "\u2028\u2029\u0085",
	"bidi":       "\u202eecila\u2066",
	"tags":       "\U000e0041\U000e0042",
	"format":     "%s%n%x${HOME}$(id)`id`",
	"glob":       "*?[a-z]",
}

// TestControlCharactersInClaims.
//
// Power: chooses names, groups and other claims at the provider.
// Move: writes lines, options and terminal escapes into them.
// Expected: no-rule where the claim was to match; where another claim lets in, exactly the one line, and a log in ASCII with one decision.
func TestControlCharactersInClaims(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	var rows []row
	for name, text := range injections {
		rows = append(rows,
			row{name + " after email", claim("email", "alice@example.com"+text), "no-rule"},
			row{name + " before email", claim("email", text+"alice@example.com"), "no-rule"},
			row{name + " in sub", all(claim("email", nil), claim("sub", "user-1"+text)), "no-rule"},
			row{name + " in sub of somebody who gets in", claim("sub", "user-1"+text), allowed},
			row{name + " in everything else", func(f *forgery) {
				for _, c := range []string{"name", "jti", "acr", "sid", "groups", "hd", "preferred_username", "locale"} {
					f.claims[c] = text
				}
				f.claims["groups"] = []string{text, text}
				f.claims[text] = text
			}, allowed},
			row{name + " in iss", claim("iss", op.URL+text), "unknown-issuer"},
			row{name + " in aud", claim("aud", pktokentest.ClientID+text), "audience"},
			row{name + " in nonce", claim("nonce", text), "commitment"},
			row{name + " in typ", header("typ", "JWT"+text), "token-type"},
			row{name + " in alg", header("alg", text), "algorithm"},
			row{name + " in the OP header", header(text, text), allowed},
			row{name + " in the client's header", func(f *forgery) { f.client["x"] = text }, allowed},
		)
	}
	h.attacks(t, op.Issuer, rows)
	t.Run("kid", func(t *testing.T) {
		// Each unknown kid may make a request: one is enough.
		f := forge(t, op.Issuer)
		f.header["kid"] = injections["log line"]
		h.attack(t, f.offer(), "no-provider-key")
	})
}

// TestControlCharactersInCertificates.
//
// Power: writes the certificate, and asks for any user.
// Move: the same in principals, KeyId, options, extensions and the user's name.
// Expected: certificate-principals, certificate-key-id, certificate-critical-option, no-rule.
func TestControlCharactersInCertificates(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	var rows []row
	for name, text := range injections {
		rows = append(rows,
			row{name + " in a principal", func(f *forgery) { f.principals = []string{"alice" + text} }, "certificate-principals"},
			row{name + " as a second principal", func(f *forgery) { f.principals = []string{"alice", text} }, "certificate-principals"},
			row{name + " in KeyId", func(f *forgery) { id := "alice@example.com" + text; f.keyID = &id }, "certificate-key-id"},
			row{name + " in a critical option", func(f *forgery) {
				f.cert = func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command" + text: text} }
			}, "certificate-critical-option"},
			row{name + " in force-command", func(f *forgery) {
				f.cert = func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": text} }
			}, allowed},
			row{name + " in an extension", func(f *forgery) {
				f.cert = func(c *ssh.Certificate) { c.Extensions["permit-x"+text] = text }
			}, allowed},
			row{name + " in the token", func(f *forgery) { f.text = func(s string) string { return s + text } }, "token-malformed"},
		)
		if !strings.Contains(text, "\x00") { // no program can be given one
			rows = append(rows, row{name + " in the user", func(f *forgery) { f.login += text }, "no-rule"})
		}
	}
	h.attacks(t, op.Issuer, rows)
}

// TestControlCharactersInFiles.
//
// Power: got an administrator, or a program that writes for one, to put text of the attacker's into a row.
// Move: the same in a row's principal, identity, issuer and options.
// Expected: the row gives nobody more than it says: no-rule for alice, who has no row, and her one line where she has one.
func TestControlCharactersInFiles(t *testing.T) {
	t.Parallel()
	for name, text := range injections {
		if strings.Contains(text, "\n") {
			continue // a line of its own is a row of its own
		}
		t.Run(name, func(t *testing.T) {
			op := issuer.Start(t)
			h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n"+text+" "+text+" "+text+"\n", "")
			good := "alice alice@example.com " + op.URL
			for _, row := range []string{
				"alice" + text + " alice@example.com " + op.URL, "alice " + text + "alice@example.com " + op.URL,
				"alice alice@example.com " + op.URL + text, good + ` command="` + text + `",permit-everything`, good + " no-pty" + text, good + " " + text,
			} {
				h.write(t, "auth_id", row+"\n")
				h.attack(t, forge(t, op.Issuer).offer(), "no-rule")
				h.write(t, "auth_id", row+"\n"+good+"\n")
				h.attack(t, forge(t, op.Issuer).offer(), allowed)
			}
		})
	}
}
