package usercli

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"opkssh/integration/allocation"
)

// FuzzInspect: whatever a file says, what is printed is printable, and its JSON is JSON.
func FuzzInspect(f *testing.F) {
	data, err := os.ReadFile("../../pkg/pktoken/testdata/pktoken.json")
	if err != nil {
		f.Fatal(err)
	}
	var vectors []struct {
		Certificate string `json:"certificate"`
		Token       string `json:"pk_token"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors {
		f.Add([]byte(v.Certificate + " \x1b[2Jopenpubkey"))
		f.Add([]byte(v.Token))
	}
	f.Add([]byte("ssh-ed25519 AAAA"))
	f.Add([]byte("-----BEGIN"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var found *inspection
		var err error
		allocation.Check(t, len(data), func() { found, err = inspect(bytes.TrimSpace(data)) })
		if err != nil {
			return
		}
		var text, object bytes.Buffer
		if found.Certificate != nil {
			found.Certificate.print(&terminal{out: &text}, time.Unix(1795148402, 0))
		}
		if found.PKToken != nil {
			found.PKToken.print(&terminal{out: &text}, time.Unix(1795148402, 0))
		}
		if err := (&terminal{out: &object}).json(found); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(object.Bytes()) {
			t.Errorf("not JSON: %q", object.Bytes())
		}
		for _, output := range []string{text.String(), object.String()} {
			for _, r := range output {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Fatalf("not printable: %q in %q", r, output)
				}
			}
			if !utf8.ValidString(output) {
				t.Errorf("not UTF-8: %q", output)
			}
		}
	})
}
