//go:build linux

package installer

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"opkssh/integration/allocation"
)

// FuzzBlock: lines at the top of sshd_config can be put there, replaced and taken away, and nothing else changes.
func FuzzBlock(f *testing.F) {
	for _, seed := range []string{"", "Port 22\n", "Match all", blockBegin, blockEnd + "\n" + blockBegin + "\r\n", "\r\n" + newBlock("x\n") + "Port 22\n", blockBegin + "\r\nx\r\n" + blockEnd + "\r\n", "\xff\x00"} {
		f.Add([]byte(seed))
	}
	block := newBlock("AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t\n")
	f.Fuzz(func(t *testing.T, config []byte) {
		before := withoutBlock(config)
		if !isSubsequence(before, config) {
			t.Fatalf("%q becomes %q", config, before)
		}
		with := append([]byte(block), before...)
		if !bytes.Contains(config, []byte("\r")) {
			saved := bytes.ReplaceAll(with, []byte("\n"), []byte("\r\n"))
			if got := withoutCR(withoutBlock(saved)); !bytes.Equal(got, before) {
				t.Fatalf("%q becomes %q", saved, got)
			}
		}
		start, end, ok := findBlock(with)
		if !ok || start != 0 || string(with[start:end]) != block {
			t.Fatalf("%q: found %d to %d, %v", with, start, end, ok)
		}
		if got := withoutBlock(with); !bytes.Equal(got, before) {
			t.Fatalf("%q becomes %q, and back %q", before, with, got)
		}
	})
}

func isSubsequence(part, whole []byte) bool {
	for _, c := range whole {
		if len(part) > 0 && part[0] == c {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// FuzzSSHDConfig: an Include or command that is quoted, indented or odd is read, or passed over, and splitting a line loses nothing of
// its value.
func FuzzSSHDConfig(f *testing.F) {
	for _, seed := range []string{
		"AuthorizedKeysCommand /usr/bin/x %u", "  authorizedkeyscommand=\"/usr/local/bin/verifier verify %u %k %t\"", "\"Match\" all\nInclude /etc/ssh/*.conf",
		"AuthorizedKeysCommand none # x", "=", "Include 'a", "#", "\tInclude\t=\tx",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reader := &sshdReader{host: &host{root: "/"}, planned: map[string]string{"/planned": strings.ReplaceAll(strings.ToLower(text), "include", "x")}}
		var err error
		allocation.Check(t, len(text), func() { err = reader.read("/planned", 0, 0) })
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range reader.settings {
			_ = isNone(s.value)
			_ = s.user()
			_ = asksVerifier(s.value)
			lines := strings.Split(reader.planned["/planned"], "\n")
			if s.line < 1 || s.line > len(lines) || !strings.Contains(lines[s.line-1], s.value) {
				t.Fatalf("%q: no %q in line %d", text, s.value, s.line)
			}
		}
	})
}

// FuzzAccountFile: a line that was added can be found and taken away again; the other lines stay as they are.
func FuzzAccountFile(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/sh\n"), "opksshuser")
	f.Add([]byte("opksshuserx:x:1:1::/:\nno newline"), "opksshuser")
	f.Add([]byte("\n\n:\n"), "a")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if strings.ContainsAny(name, ":\n") || name == "" {
			return
		}
		others := withoutLines(data, name)
		if _, found := findLine(others, name); found || !isSubsequence(others, data) {
			t.Fatalf("%q without %q: %q", data, name, others)
		}
		line := name + ":x:999:999::/nonexistent:/usr/sbin/nologin"
		with := withLine(others, line)
		if got, found := findLine(with, name); !found || got != line {
			t.Fatalf("%q: expected %q, got %q", with, line, got)
		}
		if back := withoutLines(with, name); !bytes.Equal(back, others) {
			t.Fatalf("%q becomes %q, and back %q", others, with, back)
		}
		for line := range strings.Lines(string(data)) {
			_, _ = userIDs(line)
		}
	})
}

// FuzzManifest: what is read is written the same way, and a fault is a refusal that names the file.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"made":[{"kind":"file","path":"/etc/opk/providers","value":"00"},{"kind":"user","path":"opksshuser"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"made":null,"more":[]}`))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *manifest
		var err error
		allocation.Check(t, len(data), func() { m, err = parseManifest(data) })
		var refusal *Refusal
		if err != nil {
			if m != nil || !errors.As(err, &refusal) || refusal.Path != ManifestPath {
				t.Fatalf("expected a refusal alone, got %v, %v", m, err)
			}
			return
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseManifest(written)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%q: expected %+v, got %+v, %v", data, m, again, err)
		}
		for _, e := range m.Made {
			with := m.clone()
			with.set(e)
			with.remove(e)
			if _, found := with.find(e.Kind, e.Path); found || !slices.Contains(m.Made, e) {
				t.Fatalf("%q: %v is still there", data, e)
			}
		}
	})
}
