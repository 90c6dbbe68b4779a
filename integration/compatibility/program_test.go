package compatibility_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// program is a client that Debian has.
type program struct {
	name string // as the page has it
	pkg  string // of Debian, or a pattern: it has the program's version
	from place
	// commands log in to the host called server, with the key ~/.ssh/id_ecdsa.
	commands string
	// here is what commands need besides in this test: old and new texts in turn. PORT and HOST_KEY are the server's.
	here []string
	// refused is the end of each login that fails: one of these is said.
	refused []string
	// without are the releases, and the types of keys there, with which it does not get in.
	without map[string][]string
	// keyAlone: it offers no certificate.
	keyAlone bool
}

// The page has these commands. That is why they are not arguments of a program.
const (
	convertForPuTTY = "puttygen ~/.ssh/id_ecdsa --certificate ~/.ssh/id_ecdsa-cert.pub -O private -o ~/.ssh/id.ppk"
	plinkWithFile   = "plink -i ~/.ssh/id.ppk alice@server"
	plinkWithAgent  = "plink alice@server"
	curlWithFiles   = "curl --key ~/.ssh/id_ecdsa --pubkey ~/.ssh/id_ecdsa-cert.pub sftp://alice@server/~/name"
	curlWithAgent   = "curl sftp://alice@server/~/name"
)

// cannotConvert is what Dropbear before 2022.79 says of an Ed25519 key.
const cannotConvert = "Unsupported OpenSSH key type"

var (
	sshHere   = []string{"ssh ", "ssh -F none -o BatchMode=yes -o ConnectTimeout=60 -p PORT ", "alice@server", "alice@server id -un"}
	plinkHere = []string{"plink ", "plink -batch -P PORT -hostkey HOST_KEY ", "alice@server", "alice@server id -un"}
	curlHere  = []string{"curl ", "curl --silent --show-error ", "alice@server", "alice@server:PORT"}
)

var programs = []program{
	{name: "ssh", pkg: "openssh-client", from: files, commands: "ssh alice@server", here: sshHere,
		refused: []string{"Permission denied (publickey)"}},
	{name: "ssh", pkg: "openssh-client", from: agent, commands: "ssh alice@server", here: sshHere,
		refused: []string{"Permission denied (publickey)"}},
	{name: "plink (PuTTY)", pkg: "putty-tools", from: files, commands: convertForPuTTY + "\n" + plinkWithFile, here: plinkHere,
		refused: []string{"No supported authentication methods available", "no such option `--certificate'"},
		without: map[string][]string{"bullseye": allKeys}},
	{name: "plink (PuTTY)", pkg: "putty-tools", from: agent, commands: plinkWithAgent, here: plinkHere,
		refused: []string{"No supported authentication methods available"}},
	{name: "Paramiko", pkg: "python3-paramiko", from: files, commands: "python3 -W ignore ~/paramiko_login.py PORT",
		refused: []string{"Authentication failed"}},
	{name: "Paramiko", pkg: "python3-paramiko", from: agent, commands: "python3 -W ignore ~/paramiko_login.py PORT",
		refused: []string{"Authentication failed", "AttributeError: public_blob", "key cannot be used for signing"},
		without: map[string][]string{"trixie": allKeys, "sid": allKeys}},
	{name: "AsyncSSH", pkg: "python3-asyncssh", from: files, commands: "python3 -W ignore ~/asyncssh_login.py PORT",
		refused: []string{"Permission denied"}},
	{name: "AsyncSSH", pkg: "python3-asyncssh", from: agent, commands: "python3 -W ignore ~/asyncssh_login.py PORT",
		refused: []string{"Permission denied"},
		without: map[string][]string{"bookworm": allKeys}},
	{name: "libssh", pkg: "libssh-4", from: files, commands: "python3 ~/libssh_login.py PORT",
		refused: []string{"Access denied for 'publickey'"},
		without: map[string][]string{"bullseye": allKeys, "bookworm": allKeys}},
	{name: "libssh", pkg: "libssh-4", from: agent, commands: "python3 ~/libssh_login.py PORT",
		refused: []string{"Access denied for 'publickey'"}},
	{name: "libssh2 (curl)", pkg: "libssh2-1*", from: files, commands: curlWithFiles, here: curlHere,
		refused: []string{"curl: (67)", "curl: (79)"}, // login denied, error in the SSH layer
		without: map[string][]string{"bullseye": allKeys, "bookworm": {ed25519Key}}},
	{name: "libssh2 (curl)", pkg: "libssh2-1*", from: agent, commands: curlWithAgent, here: curlHere,
		refused: []string{"curl: (67)", "curl: (79)"},
		without: map[string][]string{"bullseye": allKeys, "bookworm": {ed25519Key}}},
	{name: "dbclient (Dropbear)", pkg: "dropbear-bin", from: files,
		commands: "rm -f ~/.ssh/id_dropbear\ndropbearconvert openssh dropbear ~/.ssh/id_ecdsa ~/.ssh/id_dropbear\ndbclient -i ~/.ssh/id_dropbear alice@server",
		here:     []string{"dbclient ", "dbclient -y -y -p PORT ", "alice@server", "alice@server id -un"},
		refused:  []string{"No auth methods could be used", cannotConvert},
		without:  map[string][]string{"bullseye": allKeys, "bookworm": allKeys, "trixie": allKeys, "sid": allKeys}, keyAlone: true},
}

// clients are the release's programs. servers are the hosts that they must know.
func (r *release) clients(t *testing.T, servers []*release) []*client {
	t.Helper()
	scripts, err := filepath.Glob("testdata/*.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		r.write(t, "root/"+filepath.Base(script), string(text), 0o644)
	}
	var known strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&known, "[server]:%d %s", server.port, ssh.MarshalAuthorizedKey(server.hostKey))
	}
	r.write(t, "root/.ssh/known_hosts", known.String(), 0o644)
	r.write(t, "etc/hosts", "127.0.0.1 localhost server\n", 0o644)
	var list []*client
	for _, p := range programs {
		c := &client{name: p.name, from: p.from, without: p.without[r.name]}
		c.version = strings.TrimPrefix(r.version, "OpenSSH_")
		if p.name != "ssh" {
			out, err := r.within("dpkg-query", "--show", "--showformat", "${source:Upstream-Version}", p.pkg).Output()
			if err != nil || len(out) == 0 {
				t.Fatalf("%s: expected the version of %s, got %q, %v", r.name, p.pkg, out, err)
			}
			c.version = string(out)
		}
		c.hold = func(t *testing.T, id *identity) { r.hold(t, id, p.from) }
		c.login = func(t *testing.T, id *identity, server *release) bool { return p.login(t, r, id, server) }
		list = append(list, c)
	}
	return list
}

func (p *program) login(t *testing.T, r *release, id *identity, server *release) bool {
	t.Helper()
	script := strings.NewReplacer(p.here...).Replace(p.commands)
	script = strings.NewReplacer("id_ecdsa", id.kind.file, "PORT", strconv.Itoa(server.port), "HOST_KEY", base64.StdEncoding.EncodeToString(server.hostKey.Marshal())).Replace(script)
	cmd := r.within("sh", "-euc", script)
	if p.from == agent {
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK=/"+agentSocket)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err == nil && stdout.String() == "alice\n" {
		return true
	}
	for _, text := range p.refused {
		if err != nil && strings.Contains(stderr.String(), text) {
			if p.keyAlone && text != cannotConvert {
				p.expectKeyAlone(t, id, server)
			}
			return false
		}
	}
	t.Fatalf("%s of %s to %s: expected a login as alice, or one of %q, got %v\n%s%s", p.name, r.name, server.name, p.refused, err, &stdout, &stderr)
	return false
}

// expectKeyAlone: a certificate would be there with the fingerprint of its key.
func (p *program) expectKeyAlone(t *testing.T, id *identity, server *release) {
	t.Helper()
	key := id.kind.logged + " " + ssh.FingerprintSHA256(id.signer.PublicKey())
	server.server.WaitLog(t, ": "+key)
	if strings.Contains(server.server.Log(), id.kind.logged+"-CERT "+ssh.FingerprintSHA256(id.signer.PublicKey())) {
		t.Errorf("%s to %s: expected no certificate to be offered", p.name, server.name)
	}
}
