package authorizedkeys_test

import (
	"slices"
	"strings"
	"testing"

	"opkssh/integration/authorizedkeys"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZpCk6vUYMmJPQuFQBEQ53MPpCr6hTOfO0bmRmrUPgP"

func TestParse(t *testing.T) {
	value := func(name, value string) authorizedkeys.Option {
		return authorizedkeys.Option{Name: name, Value: value, HasValue: true}
	}
	for options, want := range map[string][]authorizedkeys.Option{
		"":                           nil,
		"CERT-Authority,No-PTY":      {{Name: "cert-authority"}, {Name: "no-pty"}},
		`command="a \"b\" \\ c,pty"`: {value("command", `a "b" \\ c,pty`)},
		`from="10.0.0.0/8",restrict,X11-forwarding`: {value("from", "10.0.0.0/8"), {Name: "restrict"}, {Name: "x11-forwarding"}},
		`permitopen="[::1]:22",permitlisten="80"`:   {value("permitopen", "[::1]:22"), value("permitlisten", "80")},
		`expiry-time="20300101Z"`:                   {value("expiry-time", "20300101Z")},
	} {
		line, err := authorizedkeys.Parse(strings.TrimSpace(options + " " + key + " a comment"))
		if err != nil || !slices.Equal(line.Options, want) || line.KeyType != "ssh-ed25519" || line.Comment != "a comment" {
			t.Errorf("%s: expected %v, got %+v, %v", options, want, line, err)
		}
	}
	for _, text := range []string{
		"", "pty", key[:20], "pty\n" + key, "pty " + key + "\n", "pty \x00" + key, "ptyx " + key, "pty, " + key, ",pty " + key, "pty=\"x\" " + key,
		"command=x " + key, `command="x ` + key, `command="x\" ` + key, `command="a",command="b" ` + key, `from="a" from="b" ` + key,
		"no-restrict " + key, `permitopen="80" ` + key, `permitopen=":80" ` + key, `permitopen="a:0" ` + key, `expiry-time="1" ` + key,
		strings.Replace(key, "ssh-ed25519", "ssh-rsa", 1),
	} {
		if line, err := authorizedkeys.Parse(text); err == nil {
			t.Errorf("%q: expected an error, got %+v", text, line)
		}
	}
}
