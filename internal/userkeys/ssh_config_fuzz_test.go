package userkeys

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"opkssh/integration/allocation"
)

// FuzzAddInclude: whatever stands in a config stays as it is, below one line at most; a second time changes nothing, and taking the
// line away gives the config of before.
func FuzzAddInclude(f *testing.F) {
	for _, seed := range []string{
		"", "Host a\r\n", "Include ~/.ssh/opkssh/config", "include=\"opkssh/config", "Match all\nInclude opkssh/config\n", "\xff\x00",
		"Host a\n  User b\n# c\r\n\tInclude ~/.ssh/opkssh/hosts\n", "Include ~/.ssh/opkssh/hosts x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		for _, relative := range []string{folderConfig, hostConfig} {
			checkInclude(t, config, relative)
		}
		if mine := withoutOurs(config, "/home/alice/.ssh/opkssh"); len(mine) > len(config) {
			t.Fatalf("%q grew to %q", config, mine)
		}
	})
}

func checkInclude(t *testing.T, config []byte, relative string) {
	t.Helper()
	line, absolute := "Include ~/.ssh/"+relative, "/home/alice/.ssh/"+relative
	var once []byte
	allocation.Check(t, len(config), func() { once = addInclude(bytes.Clone(config), relative, absolute) })
	added, kept := bytes.CutSuffix(once, config)
	if !kept || len(added) > 0 && string(bytes.TrimSpace(added)) != line {
		t.Fatalf("%q became %q", config, once)
	}
	if twice := addInclude(bytes.Clone(once), relative, absolute); !bytes.Equal(twice, once) {
		t.Fatalf("%q became %q the second time", once, twice)
	}
	back := removeInclude(once, relative)
	if bytes.Contains(config, []byte(line)) {
		// It was somebody's own, which cannot be told from ours.
		if len(back) > len(config) {
			t.Fatalf("%q became %q, and back %q", config, once, back)
		}
		return
	}
	if !bytes.Equal(back, config) {
		t.Fatalf("%q became %q, and back %q", config, once, back)
	}
}

// FuzzFolderConfig: our block can be written again and again, and what others wrote below it stays.
func FuzzFolderConfig(f *testing.F) {
	const own = "/home/alice/.ssh/opkssh"
	block := blockStart + "\nIdentityFile ~/.ssh/opkssh/a\n" + blockEnd + "\n"
	for _, seed := range []string{
		"", "Host a\n", block, blockStart + "\nHost a\n", blockEnd + "\n" + blockStart, "IdentityFile=\"" + own + "/x\"\r\n", "identityfile ~/.ssh/id_rsa", "\xff\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		others := withoutOurs(config, own)
		with := append([]byte(block), others...)
		if again := withoutOurs(with, own); !bytes.Equal(again, others) {
			t.Fatalf("%q became %q, and back %q", others, with, again)
		}
		for line := range bytes.Lines(others) {
			if !bytes.Contains(config, bytes.TrimRight(line, "\r\n")) {
				t.Fatalf("%q: a line of our own: %q", config, line)
			}
		}
	})
}

// FuzzMark: the comment of a key file says what it was written to say, and what others write there harms nobody.
func FuzzMark(f *testing.F) {
	for _, seed := range []string{"openpubkey", "openpubkey: alias=work key=agent", "openpubkey: key=agent alias=x", "openpubkey: key=file+agent until=99999999999999999999", "openpubkey:", " openpubkey: alias=\u202e", "alice@host"} {
		f.Add(seed, "work", true)
	}
	f.Add("", "a b", false)
	f.Add("", "key=agent", false)
	f.Add("", "\x1b", true)
	f.Fuzz(func(t *testing.T, comment, alias string, inAgent bool) {
		if m, ours := parseMark(comment); !ours && (m != Mark{}) || ours && !strings.HasPrefix(strings.TrimSpace(comment), "openpubkey") {
			t.Errorf("%q: got %+v, %v", comment, m, ours)
		}
		written := Mark{Alias: alias, InAgent: inAgent, AlsoInAgent: !inAgent}
		text := written.Comment()
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%+v is not one line: %q", written, text)
		}
		if strings.ContainsFunc(alias, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
			alias = "" // not written
		}
		if read, ours := parseMark(text); !ours || read.InAgent != inAgent || read.AlsoInAgent == inAgent || read.Alias != alias {
			t.Errorf("%+v becomes %q, and that %+v, %v", written, text, read, ours)
		}
	})
}

// FuzzCertificateFile: no file that lies where keys are breaks what lists or replaces them.
func FuzzCertificateFile(f *testing.F) {
	f.Add([]byte("ssh-ed25519 AAAA openpubkey"), []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Add([]byte("\n\x00"), []byte("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		allocation.Check(t, len(certificate)+len(key), func() {
			if c, err := parseOurs(certificate); err == nil {
				_ = identityOf(c)
			}
			if public, err := publicPart(key); (public == nil) != (err != nil) {
				t.Errorf("got %v, %v", public, err)
			}
		})
	})
}
