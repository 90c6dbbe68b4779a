package userkeys

import (
	"testing"

	"opkssh/integration/allocation"
)

// What stands in the files of ~/.ssh takes memory in proportion.
func TestAllocation(t *testing.T) {
	repeat := allocation.Repeat
	inputs := map[string]allocation.Input{
		"lines":       {Part: repeat("\n")},
		"hosts":       {Part: repeat("Host a\n")},
		"includes":    {Part: repeat("Include a\n")},
		"names":       {Before: "Include ", Part: repeat("a ")},
		"quotes":      {Before: "Include ", Part: repeat(`"`)},
		"own keys":    {Part: repeat("IdentityFile ~/.ssh/opkssh/a\n")},
		"starts":      {Part: repeat(blockStart + "\n")},
		"blocks":      {Part: repeat(blockStart + "\n" + blockEnd + "\n")},
		"words":       {Before: "openpubkey: ", Part: repeat("a ")},
		"base64":      {Before: "ssh-ed25519-cert-v01@openssh.com AAAA", Part: repeat("AAAA")},
		"keys":        {Part: repeat("ssh-ed25519 AAAA\n")},
		"private key": {Before: "-----BEGIN OPENSSH PRIVATE KEY-----\n", Part: repeat("AAAA\n"), After: "-----END OPENSSH PRIVATE KEY-----\n"},
		"RSA key":     {Before: "-----BEGIN RSA PRIVATE KEY-----\n", Part: repeat("MIIB\n"), After: "-----END RSA PRIVATE KEY-----\n"},
		"dashes":      {Part: repeat("-----BEGIN ")},
	}
	for name, read := range map[string]func(data []byte){
		"include":       func(data []byte) { addInclude(data, folderConfig, "/home/alice/.ssh/opkssh/config") },
		"no include":    func(data []byte) { removeInclude(data, hostConfig) },
		"folder config": func(data []byte) { withoutOurs(data, "/home/alice/.ssh/opkssh") },
		"mark":          func(data []byte) { parseMark(string(data)) },
		"certificate":   func(data []byte) { _, _ = parseOurs(data) },
		"private key":   func(data []byte) { _, _ = publicPart(data) },
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, read) })
	}
}
