package login_test

import (
	"errors"
	"strings"
	"testing"

	"opkssh/internal/login"
)

const hostsConfig = `
providers:
  - alias: work sso
    issuer: https://sso.example.com
    client_id: opkssh
    hosts: ["*.example.com", "!public.example.com", "db?", "10.1.*", "fe80::1%eth0"]
  - alias: home
    issuer: https://op.example.org
    client_id: opkssh
    hosts: "*.example.org public.example.com"
    refresh: true
  - alias: other
    issuer: https://op.example.net
    client_id: opkssh
`

func TestForHost(t *testing.T) {
	config, err := login.ParseConfig("config.yml", []byte(hostsConfig))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"www.example.com":    "work",
		"WWW.Example.COM":    "work",
		"a.b.example.com":    "work",
		".example.com":       "work",
		"example.com":        "",
		"public.example.com": "home",
		"www.example.com.de": "",
		"db1":                "work",
		"db":                 "",
		"db12":               "",
		"10.1.2.3":           "work",
		"10.12.3.4":          "",
		"fe80::1%eth0":       "work",
		"git.example.org":    "home",
		"www.example.net":    "",
		"":                   "",
	} {
		p, found := config.ForHost(host)
		got := ""
		if found {
			got = p.Aliases[0]
		}
		if got != want {
			t.Errorf("%q: expected %q, got %q", host, want, got)
		}
		if found && p.Refresh != (want == "home") {
			t.Errorf("%q: refresh is %t", host, p.Refresh)
		}
	}
}

func TestPatternsWithManyStars(t *testing.T) {
	config := &login.Config{Providers: []login.Provider{{Aliases: []string{"a"}, Hosts: []string{strings.Repeat("*a", 30) + "b"}}}}
	if _, found := config.ForHost(strings.Repeat("a", 300)); found {
		t.Error("matches without the last letter")
	}
	if _, found := config.ForHost(strings.Repeat("a", 300) + "b"); !found {
		t.Error("does not match")
	}
}

func TestHostsThatCannotBe(t *testing.T) {
	for name, lines := range map[string]string{
		"a blank":            `hosts: ["a b"]`,
		"a quote":            `hosts: ['a"b']`,
		"a comma":            `hosts: ["a,b"]`,
		"a line":             `hosts: ["a\nb"]`,
		"a shell":            `hosts: ["$(true)"]`,
		"none":               `hosts: []`,
		"empty":              `hosts: [""]`,
		"negated alone":      `hosts: ["!a.example.com"]`,
		"only a !":           `hosts: ["*", "!"]`,
		"another mapping":    `hosts: {a: b}`,
		"alias with a slash": "hosts: [a]\n    alias: a/b",
		"alias config":       "hosts: [a]\n    alias: config",
		"alias hosts":        "hosts: [a]\n    alias: hosts",
		"alias of a lock":    "hosts: [a]\n    alias: work.lock",
		"alias of a cert":    "hosts: [a]\n    alias: work-cert.PUB",
		"alias being made":   "hosts: [a]\n    alias: work.opkssh-new",
		"alias ..":           "hosts: [a]\n    alias: ..",
		"alias with a quote": "hosts: [a]\n    alias: a\"b",
		"alias with a %":     "hosts: [a]\n    alias: a%h",
	} {
		t.Run(name, func(t *testing.T) {
			text := "providers:\n  - issuer: https://op.example.com\n    client_id: x\n    " + lines + "\n"
			if !strings.Contains(lines, "alias") {
				text += "    alias: work\n"
			}
			_, err := login.ParseConfig("config.yml", []byte(text))
			var failure *login.ConfigError
			if !errors.As(err, &failure) || failure.Member != "hosts" || failure.Line == 0 {
				t.Errorf("expected an error about hosts with a line, got %v", err)
			}
		})
	}
}
