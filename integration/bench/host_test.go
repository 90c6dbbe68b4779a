package bench_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

var alice = map[string]any{"email": "alice@example.com", "email_verified": true}

// grantedLine is how the verifier's answer begins where it lets somebody in.
const grantedLine = "cert-authority,"

// quietConfig lets nobody else take part, such as a syslog daemon.
const quietConfig = "log: {to: stderr}\n"

// host has the folders of a host, in other places, the verifier, and the user that alice may be.
type host struct {
	config, cache, verifier, user string
}

// localUser is in each Linux's /etc/passwd, and has no home rules: nothing but files is needed to know that. directoryUser is not there:
// getent(1) may know of rules.
const (
	localUser     = "daemon"
	directoryUser = "alice"
)

// newHost believes in o and has rules, of which the last is alice's.
func newHost(b *testing.B, o *issuer.Issuer, rules int) *host {
	b.Helper()
	return newHostOf(b, o, localUser, rules)
}

func newHostOf(b *testing.B, o *issuer.Issuer, user string, rules int) *host {
	b.Helper()
	dir := b.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // nobody has to get there
		b.Fatal(err)
	}
	h := &host{config: filepath.Join(dir, "opk"), cache: filepath.Join(dir, "cache"), verifier: installed(b, endtoend.Verifier(b)), user: user}
	writeConfig(b, o, h.config, user, rules)
	h.forgetKeys(b)
	return h
}

func writeConfig(b *testing.B, o *issuer.Issuer, dir, user string, rules int) {
	b.Helper()
	write(b, filepath.Join(dir, "providers"), o.URL+" "+pktokentest.ClientID+" 24h\n")
	var text strings.Builder
	for i := 1; i < rules; i++ {
		_, _ = fmt.Fprintf(&text, "user%d person%d@example.com %s\n", i, i, o.URL)
	}
	write(b, filepath.Join(dir, "auth_id"), text.String()+aliceRule(o, user))
	write(b, filepath.Join(dir, "config.yml"), quietConfig)
}

func aliceRule(o *issuer.Issuer, user string) string {
	return user + " alice@example.com " + o.URL + "\n"
}

// forgetKeys makes the cache anew, empty.
func (h *host) forgetKeys(b *testing.B) {
	b.Helper()
	if err := os.RemoveAll(h.cache); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(h.cache, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.Chown(h.cache, nobody, nobody); err != nil {
		b.Fatal(err)
	}
}

// question is sshd's: may the owner of this key log in.
func (h *host) question(key ssh.PublicKey) command {
	args := append([]string{h.verifier, "verify", "--config-dir", h.config, "--cache-dir", h.cache}, tokens(h.user, key)...)
	return command{args: args, unprivileged: true}
}

// verify lets a certificate in.
func (h *host) verify(b *testing.B, cert *ssh.Certificate) timed {
	b.Helper()
	return h.question(cert).timed(b, grantedLine)
}

// tokens are what sshd writes for %u %k %t.
func tokens(user string, key ssh.PublicKey) []string {
	return []string{user, base64.StdEncoding.EncodeToString(key.Marshal()), key.Type()}
}
