package plugin

import (
	"bytes"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

// FuzzExpand: what config.yml lets through as a word of a chain's command is expanded once, and what the client chose stays in its
// word.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"%u", "a%%u", "%%%u", "%f%k%t", "x", "%u%u"} {
		f.Add(seed, "alice")
		f.Add(seed, "%k $(id) \x00%%")
	}
	f.Fuzz(func(t *testing.T, word, user string) {
		quoted := "/bin/keys '" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		config, err := policy.ParseConfig("config.yml", []byte("chain: [\""+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(quoted)+"\"]\n"))
		if err != nil || len(config.Chain) != 1 || len(config.Chain[0]) != 2 || config.Chain[0][1] != word {
			return
		}
		tokens := map[byte]string{'%': "%", 'u': user, 'k': "AAAA", 't': "ssh-rsa", 'f': "SHA256:x"}
		want := strings.NewReplacer("%%", "%", "%u", user, "%k", "AAAA", "%t", "ssh-rsa", "%f", "SHA256:x").Replace(word)
		if got := expand(word, tokens); got != want {
			t.Errorf("%q for %q: expected %q, got %q", word, user, want, got)
		}
	})
}

// FuzzCapture: of an output the first bytes are kept, whatever its parts, and a program that prints more is told so once.
func FuzzCapture(f *testing.F) {
	f.Add([]byte("allow\n"), 3)
	f.Add(bytes.Repeat([]byte("a"), maxOutput+1), 1000)
	f.Fuzz(func(t *testing.T, output []byte, size int) {
		full := 0
		c := &capture{most: 100, full: func() { full++ }}
		for rest := output; len(rest) > 0; {
			part := rest[:min(len(rest), max(1, size))]
			if n, err := c.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
			rest = rest[len(part):]
		}
		more := len(output) > 100
		if got := c.text.Bytes(); !bytes.Equal(got, output[:min(len(output), 100)]) || c.overflown != more || (full == 1) != more || full > 1 {
			t.Errorf("%q in parts of %d: got %q, %v, full %d times", output, size, got, c.overflown, full)
		}
	})
}
