package compatibility_test

import (
	"fmt"
	"slices"
	"strings"
)

const pageFile = "../../docs/compatibility.md"

// page is docs/compatibility.md.
func page(clients []*client, servers []*release, passed map[*release]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, introduction, servers[0].version, servers[len(servers)-1].version)
	b.WriteString("| client | with the key in files | in an ssh-agent |\n|---|---|---|\n")
	var names []string
	for _, c := range clients {
		if !slices.Contains(names, c.name) {
			names = append(names, c.name)
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, versions(clients, c.name, files), versions(clients, c.name, agent))
		}
	}
	b.WriteString(recipes)
	b.WriteString("| sshd | `opkssh-wildcard` | no principal |\n|---|---|---|\n")
	for _, server := range servers {
		fmt.Fprintf(&b, "| %s (%s) | %s | %s |\n", server.version, server.name, lets(server, clients, wildcard), lets(server, clients, empty))
	}
	b.WriteString(everythingElse)
	b.WriteString(suites(servers, passed))
	return b.String()
}

// versions are those that log in everywhere, those that do so with some keys, and those that do not.
func versions(clients []*client, name string, from place) string {
	var all, some, none []string
	for _, c := range clients {
		if c.name != name || c.from != from {
			continue
		}
		list, text := &some, c.version+" with "+strings.Join(c.keys(), ", ")
		switch len(c.keys()) {
		case len(keyTypes):
			list, text = &all, c.version
		case 0:
			list, text = &none, c.version
		}
		if !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	var parts []string
	if len(all) > 0 {
		parts = append(parts, strings.Join(all, ", "))
	}
	parts = append(parts, some...)
	if len(none) > 0 {
		parts = append(parts, "**not** "+strings.Join(none, ", "))
	}
	return strings.Join(parts, "; ")
}

// keys are the types of keys with which the client got in at each server.
func (c *client) keys() []string {
	var keys []string
	for _, kind := range keyTypes {
		everywhere := true
		for a, in := range c.in {
			everywhere = everywhere && (in || a.key != kind.name || a.style != wildcard)
		}
		if everywhere {
			keys = append(keys, kind.name)
		}
	}
	return keys
}

// lets says whether the server let in each client that got in anywhere with such a key, or none.
func lets(server *release, clients []*client, s style) string {
	could, did := 0, 0
	for _, c := range clients {
		for _, key := range c.keys() {
			could++
			if c.in[attempt{server, key, s}] {
				did++
			}
		}
	}
	switch did {
	case could:
		return "yes"
	case 0:
		return "no"
	}
	return fmt.Sprintf("%d of %d", did, could)
}

const introduction = `# SSH clients and servers

` + "`make compatibility`" + ` writes this page. It fetches Debian's releases and lets each client log in to the sshd of each, from %s to
%s, with our verifier as its AuthorizedKeysCommand: with ECDSA P-256 and with Ed25519 keys. It makes sure that somebody
without a rule never gets in. These versions log in:

`

// The commands are those that the test runs.
const recipes = `
- **ssh**, **Paramiko**, **AsyncSSH** and **libssh** (from 0.11 on) need nothing: they find ` + "`~/.ssh/id_ecdsa` or `~/.ssh/id_ed25519`" + `, and the
  certificate beside it, by themselves.
- **PuTTY** has a format of its own for both. Convert after each ` + "`opkssh login`" + `, or use an agent:

      ` + convertForPuTTY + `
      ` + plinkWithFile + `

- **libssh2** wants to be told of the certificate. With curl:

      ` + curlWithFiles + `

- **Dropbear** offers the key without its certificate, which hosts refuse.
- The agent was OpenSSH's, with the certificate and no plain key: see [the ssh-agent](agent.md). Where the table says **not**, use files.
- An empty cell has not been tried.

## Certificates without principals

Certificates that opkssh makes name the principal ` + "`opkssh-wildcard`" + `, which suits every sshd. Those of older clients name none. To sshd before
OpenSSH 10.3, that meant everybody; since then it means nobody, whatever the verifier says. Log in anew with a current opkssh.

`

const everythingElse = `
## Everything else

The integration tests (rule options, home rules, plugins, locks, files to copy, renewed keys, a provider that is down …) with the ssh
and sshd of each release, where each passes:

`
