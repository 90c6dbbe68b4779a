package policy_test

import (
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

func TestOptions(t *testing.T) {
	for options, want := range map[string]string{
		`restrict`:                    `restrict`,
		`RESTRICT,No-Pty`:             `restrict,no-pty`,
		`restrict,permit-pty`:         `restrict,pty`,
		`permit-x11-forwarding`:       `X11-forwarding`,
		`no-agent-forwarding,user-rc`: `no-agent-forwarding,user-rc`,
		`from="10.0.0.0/8",command="/usr/bin/deploy",no-port-forwarding`:                     `from="10.0.0.0/8",command="/usr/bin/deploy",no-port-forwarding`,
		`from="!host1.example.com,*.example.com,192.168.0.?,::1,2001:db8::/32,!10.0.0.1/32"`: `from="!host1.example.com,*.example.com,192.168.0.?,::1,2001:db8::/32,!10.0.0.1/32"`,
		`FROM="*"`: `from="*"`,
		`from="` + strings.Repeat("a", 1023) + `"`: `from="` + strings.Repeat("a", 1023) + `"`, // as long as sshd takes one
		`command="a b, c"`:                         `command="a b, c"`,
		`command="say \"hi\" # 'x' \n"`:            `command="say \"hi\" # 'x' \n"`,
		`command="a\\"b" # comment`:                `command="a\\"b"`, // for sshd a backslash does not escape a backslash
		`command="a\\\"b"`:                         `command="a\\\"b"`,
		`expiry-time="20301231"`:                   `expiry-time="20301231"`,
		`expiry-time="20301231Z"`:                  `expiry-time="20301231Z"`,
		`expiry-time="203012312359Z"`:              `expiry-time="203012312359Z"`,
		`expiry-time="20301231235958"`:             `expiry-time="20301231235958"`,
		`permitopen="h:80",permitopen="*"`:         "",
		`permitopen="host.example.com:80",permitopen="[::1]:*",permitopen="192.0.2.1:65535"`: `permitopen="host.example.com:80",permitopen="[::1]:*",permitopen="192.0.2.1:65535"`,
		`permitlisten="8080",permitlisten="localhost:1",permitlisten="*.example.com:*"`:      `permitlisten="8080",permitlisten="localhost:1",permitlisten="*.example.com:*"`,

		`permitlisten="h?st:80"`:                           `permitlisten="h?st:80"`,
		`permitopen="` + strings.Repeat("a", 253) + `:80"`: `permitopen="` + strings.Repeat("a", 253) + `:80"`,

		// refused by name
		`cert-authority`: "", `principals="root"`: "", `environment="A=b"`: "", `tunnel="0"`: "", `no-touch-required`: "",
		`verify-required`: "", `no-restrict`: "", `permit-restrict`: "", `nonsense`: "", `=`: "", `no-`: "", `re\u017Ftrict`: "", `reſtrict`: "",
		// refused by form
		`,restrict`: "", `restrict,`: "", `restrict,,pty`: "", `restrict="x"`: "", `pty=""`: "", `command`: "", `command=`: "",
		`command=x`: "", `command='x'`: "", `command="x"pty`: "", `command="x"xpty`: "", `restrict"pty`: "", `command="x""y"`: "", `command="x" "y"`: "", `"command"="x"`: "",
		`command=x"`: "", `command="x`: "", `command="x\"`: "", `command=""`: "", `command=" "`: "", "command=\"a\x01b\"": "", "command=\"a\tb\"": "",
		"command=\"a\u2028b\"": "", "command=\"a\xffb\"": "", `'restrict'`: "", `restrict#x`: "", `res\trict`: "",
		// refused twice
		`restrict,restrict`: "", `pty,no-pty`: "", `pty,permit-pty`: "", `from="a",from="b"`: "", `command="a",command="a"`: "",
		`expiry-time="20301231",expiry-time="20301231"`: "",
		// refused by value
		`from=""`: "", `from="a,"`: "", `from="a,,b"`: "", `from="!a"`: "", `from="!a,!*"`: "", `from="!"`: "", `from="a b"`: "", `from="a, b"`: "",
		`from="` + strings.Repeat("a", 1024) + `"`: "",
		`from="10.0.0.1/8"`:                        "", `from="10.0.0.0/33"`: "", `from="10.0.0/8"`: "", `from="example.com/8"`: "", `from="a\"b"`: "", `from="a%b"`: "",
		`expiry-time="2030"`: "", `expiry-time="20301301"`: "", `expiry-time="2030123124"`: "", `expiry-time="203012312460"`: "",
		`expiry-time="20301231z"`: "", `expiry-time="20301231ZZ"`: "", `expiry-time="Z"`: "", `expiry-time="2030-12-31"`: "", `expiry-time="always"`: "",
		`permitopen="` + strings.Repeat("a", 254) + `:80"`: "",
		`permitopen="80"`: "", `permitopen="host"`: "", `permitopen=":80"`: "", `permitopen="host:0"`: "", `permitopen="host:65536"`: "",
		`permitopen="host:http"`: "", `permitopen="*:80"`: "", `permitopen="::1:80"`: "", `permitopen="[::1]"`: "", `permitopen="[host]:80"`: "", `permitopen="[127.0.0.1]:80"`: "", `permitopen="[::1:80"`: "",
		`permitopen="[fe80::1%eth0]:80"`: "", `permitopen="h:80,i:80"`: "", `permitopen="h:-1"`: "", `permitopen="h:+1"`: "", `permitopen="[::1]:"`: "",
		`permitlisten="host"`: "", `permitlisten=":80"`: "", `permitlisten="0"`: "", `permitlisten="h/i:80"`: "",
	} {
		rules, problems := policy.ParseRules("auth_id", []byte("alice alice@example.com "+op+" "+options))
		if want == "" {
			if len(rules) != 0 || len(problems) != 1 {
				t.Errorf("%q: expected a bad row, got %+v", options, rules)
			}
			continue
		}
		if len(rules) != 1 || policy.FormatOptions(rules[0].Options) != want {
			t.Errorf("%q: expected %s, got %+v, %v", options, want, rules, problems)
		}
	}
}

func TestOptionValue(t *testing.T) {
	rules, _ := policy.ParseRules("auth_id", []byte(`a b@c `+op+` command="say \"x\"",pty`))
	if len(rules) != 1 || len(rules[0].Options) != 2 {
		t.Fatalf("got %+v", rules)
	}
	want := [2]policy.Option{{Name: "command", Value: `say "x"`, HasValue: true}, {Name: "pty"}}
	if got := [2]policy.Option(rules[0].Options); got != want {
		t.Errorf("expected %+v, got %+v", want, got)
	}
}

// TestFromCharacters: of a pattern, letters, digits, .-_: and the wildcards. Commas, slashes, ! and quotes mean something of their own.
func TestFromCharacters(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*?"
	for c := range rune(0x180) {
		if strings.ContainsRune(`,/"`, c) {
			continue
		}
		rules, _ := policy.ParseRules("auth_id", []byte("a b@c "+op+` from="h`+string(c)+`h"`))
		if want := strings.ContainsRune(letters, c); (len(rules) == 1) != want {
			t.Errorf("%q: expected %v, got %+v", c, want, rules)
		}
	}
}
