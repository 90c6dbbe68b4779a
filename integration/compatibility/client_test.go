package compatibility_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// place is where a client finds the key and the certificate.
type place string

const (
	files place = "files"
	agent place = "ssh-agent"
)

// client is a client of one version.
type client struct {
	name, version string // as the page has them
	from          place
	// without are the types of keys with which it does not get in.
	without []string
	// hold gives it the identity that it logs in with from then on.
	hold func(t *testing.T, id *identity)
	// login says whether it got in as alice.
	login func(t *testing.T, id *identity, server *release) bool

	in map[attempt]bool
}

// attempt is one login of somebody who has a rule.
type attempt struct {
	server *release
	key    string
	style  style
}

// newGoClient is golang.org/x/crypto/ssh, which gets the identity as it is.
func newGoClient(t *testing.T) *client {
	t.Helper()
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "golang.org/x/crypto").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &client{name: "golang.org/x/crypto/ssh", version: strings.TrimSpace(string(version)), from: files,
		hold: func(*testing.T, *identity) {}, login: goLogin}
}

func goLogin(t *testing.T, id *identity, server *release) bool {
	t.Helper()
	signer, err := ssh.NewCertSigner(id.cert, id.signer)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", server.address(), &ssh.ClientConfig{
		User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: time.Minute,
		HostKeyCallback: ssh.FixedHostKey(server.hostKey),
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

// try makes each login at each server.
func (c *client) try(t *testing.T, servers []*release, newIdentity func(t *testing.T, kind keyType, email string, s style) *identity) {
	t.Helper()
	c.in = map[attempt]bool{}
	for _, kind := range keyTypes {
		for _, s := range styles {
			bob := newIdentity(t, kind, "bob@example.com", s)
			c.hold(t, bob)
			for _, server := range servers {
				if c.login(t, bob, server) {
					t.Fatalf("%s %s to %s: bob, who has no rule, was let in", c.name, c.version, server.name)
				}
			}
			alice := newIdentity(t, kind, "alice@example.com", s)
			c.hold(t, alice)
			for _, server := range servers {
				want, got := c.mayEnter(t, server, kind, s), c.login(t, alice, server)
				if got != want {
					t.Errorf("%s %s, key in %s, %s, principals %s: login at %s: expected %v, got %v",
						c.name, c.version, c.from, kind.name, s, server.name, want, got)
				}
				c.in[attempt{server, kind.name, s}] = got
			}
		}
	}
}

// mayEnter is what is known: since OpenSSH 10.3, no principals match none, where they matched all.
func (c *client) mayEnter(t *testing.T, server *release, kind keyType, s style) bool {
	t.Helper()
	return !slices.Contains(c.without, kind.name) && (s == wildcard || server.before(t, 10, 3))
}
