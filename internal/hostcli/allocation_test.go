package hostcli

import (
	"bytes"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/internal/sshdsettings"
	"opkssh/pkg/sshcert"
)

// What a client, sshd or a log says takes memory in proportion.
func TestAllocation(t *testing.T) {
	repeat := allocation.Repeat
	const record = `{"msg":"login","id":"06ae0e4628fdf711","decision":"deny","reason":"no-rule","user":"a"`
	inputs := map[string]allocation.Input{
		"lines":         {Part: repeat("\n")},
		"settings":      {Part: repeat("allowusers a\n")},
		"names":         {Before: "allowusers ", Part: repeat("a* ")},
		"patterns":      {Before: "denyusers ", Part: repeat("*a"), After: "\n"},
		"one command":   {Before: "authorizedkeyscommand /usr/local/bin/verifier verify ", Part: repeat("%u ")},
		"braces":        {Part: repeat("{")},
		"open records":  {Part: repeat(record + "\n")},
		"records":       {Part: repeat(record + "}\n")},
		"deep record":   {Before: record + `,"x":`, Part: repeat("[")},
		"cut":           {Before: record + `,"cut":[`, Part: repeat(`"a",`), After: `"a"]}` + "\n"},
		"escapes":       {Before: record + `,"detail":"`, Part: repeat(`\u0000`), After: `"}` + "\n"},
		"not printable": {Part: repeat("\x1b")},
		"not UTF-8":     {Part: repeat("\xff")},
		"blanks":        {Part: repeat(" ")},
		"base64":        {Before: "AAAA", Part: repeat("AAAA")},
	}
	for name, read := range map[string]func(data []byte){
		"sshd -T": func(data []byte) {
			settings := sshdsettings.Parse(string(data))
			allowsUser(settings, "alice")
			_, _ = parseSSHDCommand(settings.Command())
		},
		"log":    func(data []byte) { decisionsIn(data, "") },
		"logged": func(data []byte) { _, _ = findInLines("06ae0e4628fdf711", bytes.NewReader(data)) },
		"words":  func(data []byte) { _, _ = parseVerifyArguments(strings.Split(string(data), " ")) },
		"key":    func(data []byte) { _, _ = parseKey(&verifyArguments{key: string(data), keyType: "ssh-ed25519"}) },
		"certificate": func(data []byte) {
			_, _, _ = sshcert.ParseLine(append([]byte("ssh-ed25519-cert-v01@openssh.com "), data...))
		},
		"endpoints": func(data []byte) { parseEndpoints(string(data)) },
		"printable": func(data []byte) {
			w := &printableWriter{to: &bytes.Buffer{}}
			_, _ = w.Write(data)
			_ = w.flush()
		},
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, read) })
	}
}
