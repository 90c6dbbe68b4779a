package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"opkssh/internal/login"
)

// The default for the access token counts for the providers of the file that say nothing of it, also above it.
func TestSendAccessTokenByDefault(t *testing.T) {
	const providers = `providers:
  - {alias: silent, issuer: https://sso.example.com, client_id: a}
  - {alias: "no", issuer: https://sso.example.com, client_id: a, send_access_token: false}
  - {alias: "yes", issuer: https://sso.example.com, client_id: a, send_access_token: true}
`
	for text, want := range map[string][]bool{
		providers:                                   {false, false, true},
		providers + "send_access_token: false\n":    {false, false, true},
		providers + "send_access_token: true\n":     {true, false, true},
		"send_access_token: true\n" + providers:     {true, false, true},
		"send_access_token: true\n":                 {true, true, true, true}, // the presets
		"send_access_token: true\nproviders:\n":     {true, true, true, true},
		"send_access_token:\nagent_lifetime: 12h\n": {false, false, false, false},
	} {
		config, err := login.ParseConfig(file, []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(config.Providers) != len(want) {
			t.Errorf("%q: got %d providers", text, len(config.Providers))
			continue
		}
		for i, p := range config.Providers {
			if p.SendAccessToken != want[i] {
				t.Errorf("%q: %s: expected %t, got %t", text, p.Aliases[0], want[i], p.SendAccessToken)
			}
		}
	}
}

// A provider that is added to a file with such a default has it too.
func TestAppendToDefaults(t *testing.T) {
	p := newProvider(t)
	p.CAFile = "/etc/my own/ca: 1.pem"
	got, err := login.AppendProvider("config.yml", []byte("agent_lifetime: 12h\nsend_access_token: true\n"+oneProvider), p)
	if err != nil {
		t.Fatal(err)
	}
	config, err := login.ParseConfig("config.yml", got)
	if err != nil {
		t.Fatal(err)
	}
	if last := config.Providers[1]; !last.SendAccessToken || last.CAFile != p.CAFile {
		t.Errorf("got %+v", last)
	}
	p.CAFile = "/\xff"
	_, err = login.AppendProvider("config.yml", []byte(oneProvider), p)
	wantCode(t, err, login.CodeConfiguration)
}

func TestAgentLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"12h": 12 * time.Hour, "28800": 8 * time.Hour, "1": time.Second, "1h30m": 90 * time.Minute, "'60'": time.Minute, "4294967295": 4294967295 * time.Second,
	} {
		config, err := login.ParseConfig(file, []byte("agent_lifetime: "+text+"\n"))
		if err != nil || time.Duration(config.AgentLifetime) != want {
			t.Errorf("%s: expected %s, got %+v, %v", text, want, config, err)
		}
	}
}

func TestDefaultsThatCannotBeUsed(t *testing.T) {
	for _, value := range []string{"0", "-1", "-12h", "0s", "999ms", "soon", "''", "never", "1.5", "4294967296", "99999999999999999999", "1d", "[12h]", "true", "0x10"} {
		wantMember(t, "flow: paste\nagent_lifetime: "+value+"\n", "agent_lifetime", 2)
	}
	for _, value := range []string{"perhaps", "1", "[true]", "''"} {
		wantMember(t, oneProvider+"send_access_token: "+value+"\n", "send_access_token", 5)
	}
}

// Each ca_file is handed to the check as it is written, and what is wrong with it is its line's fault.
func TestCheckConfig(t *testing.T) {
	const text = `providers:
  - {alias: a, issuer: https://sso.example.com, client_id: a, ca_file: own.pem}
  - {alias: b, issuer: https://sso.example.com, client_id: a, ca_file: ""}
  - alias: c
    issuer: https://sso.example.com
    client_id: a
    ca_file: ~/missing.pem
`
	var names []string
	_, err := login.CheckConfig(file, []byte(text), func(name string) error {
		names = append(names, name)
		if name == "own.pem" {
			return nil
		}
		return errors.New("gone")
	})
	if got := strings.Join(names, " "); got != "own.pem ~/missing.pem" {
		t.Errorf("looked at %s", got)
	}
	e := (*login.ConfigError)(nil)
	if !errors.As(err, &e) || e.Line != 7 || e.Member != "ca_file" || !strings.HasSuffix(e.Error(), ": gone") {
		t.Errorf("got %v", err)
	}
}

func wantMember(t *testing.T, text, member string, line int) {
	t.Helper()
	_, err := login.ParseConfig(file, []byte(text))
	e := (*login.ConfigError)(nil)
	if !errors.As(err, &e) || e.Member != member || e.Line != line || len(e.Others) > 0 {
		t.Errorf("%q: expected an error about %s in line %d, got %v", text, member, line, err)
	}
}
