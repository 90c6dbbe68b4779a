// Package compatibility_test lets the OpenSSH of each Debian release log in to that of each other, with our verifier between them, and
// writes docs/compatibility.md. It fetches the releases from the mirror of this machine's apt, so it is not part of make test: make
// compatibility. It needs root and debootstrap.
package compatibility_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

const page = "../../docs/compatibility.md"

// style is how a certificate names its principals.
type style string

const (
	wildcard style = "opkssh-wildcard"
	empty    style = "none"
)

// identity is a key and its certificate, as files of a release: see install.
type identity struct {
	key    crypto.Signer
	signer ssh.Signer
	cert   *ssh.Certificate
	style  style
}

func newIdentity(t *testing.T, op *issuer.Issuer, key crypto.Signer, email string, s style) *identity {
	t.Helper()
	id := &identity{key: key, style: s}
	var err error
	if id.signer, err = ssh.NewSignerFromSigner(key); err != nil {
		t.Fatal(err)
	}
	token := op.Token(t, key, map[string]any{"email": email, "email_verified": true})
	if id.cert, err = sshcert.New(rand.Reader, id.signer, token, sshcert.Template{}); err != nil {
		t.Fatal(err)
	}
	if s == empty {
		id.cert.ValidPrincipals = nil
		if err := id.cert.SignCert(rand.Reader, id.signer); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// install writes the identity into a release.
func (id *identity) install(t *testing.T, r *release) (file string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(id.key, "")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "root/id", string(pem.EncodeToMemory(block)), 0o600)
	r.write(t, "root/id-cert.pub", string(sshcert.MarshalLine(id.cert, sshcert.Comment)), 0o644)
	return "/root/id"
}

// login says whether the client of one release gets into the server of another, as alice.
func (id *identity) login(t *testing.T, client, server *release) bool {
	t.Helper()
	file := id.install(t, client)
	out, err := client.within("ssh", "-F", "none", "-p", strconv.Itoa(server.port), "-i", file, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60",
		"alice@127.0.0.1", "id -un").CombinedOutput()
	if err == nil && string(out) != "alice\n" {
		t.Fatalf("%s to %s: expected alice, got %q", client.name, server.name, out)
	}
	if err != nil && !strings.Contains(string(out), "Permission denied (publickey)") {
		t.Fatalf("%s to %s: expected a login or a refusal, got %v\n%s", client.name, server.name, err, out)
	}
	return err == nil
}

// goLogin is login for golang.org/x/crypto/ssh.
func (id *identity) goLogin(t *testing.T, server *release) bool {
	t.Helper()
	signer, err := ssh.NewCertSigner(id.cert, id.signer)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", server.address(), &ssh.ClientConfig{
		User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: time.Minute,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // the host is this machine
	})
	if err != nil {
		if !strings.Contains(err.Error(), "unable to authenticate") {
			t.Fatalf("x/crypto/ssh to %s: %v", server.name, err)
		}
		return false
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.Output("id -un")
	if err != nil || string(out) != "alice\n" {
		t.Fatalf("x/crypto/ssh to %s: got %q, %v", server.name, out, err)
	}
	return true
}

// TestReleases: each client at each server, both types of keys, both styles of principals; and nobody who has no rule.
func TestReleases(t *testing.T) {
	op := issuer.Start(t)
	config := map[string]string{
		"providers":  op.URL + " " + pktokentest.ClientID + " 24h\n",
		"auth_id":    "alice alice@example.com " + op.URL + "\n",
		"config.yml": "log: {to: stderr}\nhome_policy: false\n",
	}
	var all []*release
	for _, name := range releases {
		r := bootstrap(t, name)
		r.serve(t, config)
		all = append(all, r)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := []struct {
		name string
		key  crypto.Signer
	}{{"ECDSA P-256", pktokentest.UserKey(t)}, {"Ed25519", edKey}}

	var table strings.Builder
	table.WriteString("| client | key | principals |")
	for _, server := range all {
		fmt.Fprintf(&table, " %s: %s |", server.name, server.version)
	}
	table.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(all)) + "\n")
	row := func(client, key string, s style, try func(server *release) bool) {
		fmt.Fprintf(&table, "| %s | %s | %s |", client, key, s)
		for _, server := range all {
			in := try(server)
			// Since OpenSSH 10.3, no principals match none, where they matched all.
			if want := s == wildcard || server.before(t, 10, 3); in != want {
				t.Errorf("%s, %s, principals %s: login at %s: expected %v, got %v\n%s", client, key, s, server.name, want, in, server.server.Log())
			}
			table.WriteString(map[bool]string{true: " yes |", false: " no |"}[in])
		}
		table.WriteString("\n")
	}
	for _, key := range keys {
		for _, s := range []style{wildcard, empty} {
			alice, bob := newIdentity(t, op, key.key, "alice@example.com", s), newIdentity(t, op, key.key, "bob@example.com", s)
			for _, client := range all {
				row(client.name+": "+client.version, key.name, s, func(server *release) bool {
					if bob.login(t, client, server) {
						t.Fatalf("%s to %s: bob, who has no rule, was let in", client.name, server.name)
					}
					return alice.login(t, client, server)
				})
			}
			row(goSSH(t), key.name, s, func(server *release) bool {
				if bob.goLogin(t, server) {
					t.Fatalf("x/crypto/ssh to %s: bob, who has no rule, was let in", server.name)
				}
				return alice.goLogin(t, server)
			})
		}
	}
	if t.Failed() {
		return
	}
	if err := os.WriteFile(page, []byte(introduction+table.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goSSH(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}}/ssh: {{.Version}}", "golang.org/x/crypto").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

const introduction = `# OpenSSH versions

` + "`make compatibility`" + ` writes this page. It fetches Debian's releases, lets the ssh of each log in to the sshd of each with our verifier as its
AuthorizedKeysCommand, and makes sure that somebody without a rule never gets in.

- Certificates that opkssh makes name the principal ` + "`opkssh-wildcard`" + `, which suits every sshd.
- Those of older clients name none. To sshd before OpenSSH 10.3, that meant everybody; since then it means nobody, whatever the verifier
  says. Log in anew with a current opkssh.

`
