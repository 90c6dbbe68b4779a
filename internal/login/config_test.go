package login_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/internal/login"
)

const file = "/home/alice/.opk/config.yml"

func TestParseConfig(t *testing.T) {
	config, err := login.ParseConfig(file, []byte("\ufeff"+`---
default_provider: sso
providers:
  - alias: work sso
    issuer: https://sso.example.com
    client_id: 12345
    client_secret: ""
    scopes: openid profile   groups
    access_type: ""
    prompt: login
    redirect_uris: &uris [http://localhost:3001/cb, "http://[::1]:3001/cb", http://127.9.9.9/cb]
    remote_redirect_uri: https://dev.example.com/cb
    send_access_token: true
  - alias: home
    issuer: http://127.0.0.1:8080/
    client_id: client
    scopes: [openid, email]
    prompt:
    redirect_uris: *uris
    remote_redirect_uri: ""
`))
	if err != nil {
		t.Fatal(err)
	}
	uris := []string{"http://localhost:3001/cb", "http://[::1]:3001/cb", "http://127.9.9.9/cb"}
	want := &login.Config{DefaultProvider: "sso", Providers: []login.Provider{
		{
			Aliases: []string{"work", "sso"}, Issuer: "https://sso.example.com", ClientID: "12345", Scopes: []string{"openid", "profile", "groups"},
			Prompt: "login", RedirectURIs: uris, RemoteRedirectURI: "https://dev.example.com/cb", SendAccessToken: true,
		},
		{
			Aliases: []string{"home"}, Issuer: "http://127.0.0.1:8080/", ClientID: "client", Scopes: []string{"openid", "email"},
			AccessType: "offline", Prompt: "consent", RedirectURIs: uris,
		},
	}}
	if !reflect.DeepEqual(config, want) {
		t.Errorf("expected %+v, got %+v", want, config)
	}
}

// What is left out is as without a file.
func TestParseConfigDefaults(t *testing.T) {
	for in, defaultProvider := range map[string]string{
		"":                                     login.WebChooser,
		"# nothing\n":                          login.WebChooser,
		"---\n":                                login.WebChooser,
		"providers:\n":                         login.WebChooser,
		"default_provider: WEBCHOOSER":         login.WebChooser,
		"default_provider: gitlab\nproviders:": "gitlab",
		string(login.DefaultConfig()):          login.WebChooser,
	} {
		config, err := login.ParseConfig(file, []byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if config.DefaultProvider != defaultProvider || !reflect.DeepEqual(config.Providers, login.Presets()) {
			t.Errorf("%q: got %+v", in, config)
		}
	}
	config, err := login.ParseConfig(file, []byte("providers: [{alias: a, issuer: https://op.example.com, client_id: c}]"))
	if err != nil {
		t.Fatal(err)
	}
	preset := login.Presets()[0]
	if p := config.Providers[0]; !reflect.DeepEqual(p.Scopes, preset.Scopes) || p.AccessType != "offline" || p.Prompt != "consent" ||
		!reflect.DeepEqual(p.RedirectURIs, preset.RedirectURIs) || p.SendAccessToken {
		t.Errorf("not the defaults: %+v", p)
	}
}

func TestParseConfigErrors(t *testing.T) {
	// Line 1 is providers, lines 2 to 4 the required members, and what is tested comes in line 5.
	const head = "providers:\n  - alias: a\n    issuer: https://op.example.com\n    client_id: c\n    "
	for in, want := range map[string]struct {
		line   int
		member string
	}{
		"a: [":                      {1, ""},
		"a: b\n\tc: d":              {2, ""},
		"text":                      {1, ""},
		"- a":                       {1, ""},
		"default_provider: a\n\x00": {0, ""},
		"a: b\n---\nc: d":           {2, ""},
		"default_provider: google\n---\ndefault_provider: google": {2, ""},
		"provider: x":                                       {1, "provider"},
		"\ndefault_provider: nobody":                        {2, "default_provider"},
		"default_provider: [google]":                        {1, "default_provider"},
		"default_provider: google\ndefault_provider: hello": {2, "default_provider"},
		"providers: []":                                     {1, "providers"},
		"providers: {}":                                     {1, "providers"},
		"providers: google":                                 {1, "providers"},
		"providers:\n  - a":                                 {2, ""},
		"providers:\n  -":                                   {2, ""},
		"? [a, b]\n: c":                                     {1, ""},
		"<<: {a: b}":                                        {1, "<<"},
		"&a a: *a\n":                                        {1, "a"},

		head + "client_idd: d":                                {5, "client_idd"},
		head + "Scopes: openid":                               {5, "Scopes"},
		head + "client_id: d":                                 {5, "client_id"},
		head + "client_secret: [a]":                           {5, "client_secret"},
		head + "client_secret: !!binary YQ==":                 {5, "client_secret"},
		head + "scopes: profile":                              {5, "scopes"},
		head + "scopes: ''":                                   {5, "scopes"},
		head + "scopes: []":                                   {5, "scopes"},
		head + "scopes: [openid email]":                       {5, "scopes"},
		head + "scopes: [openid, {}]":                         {5, "scopes"},
		head + "scopes: {openid: a}":                          {5, "scopes"},
		head + "access_type: {}":                              {5, "access_type"},
		head + "prompt: []":                                   {5, "prompt"},
		head + "send_access_token: maybe":                     {5, "send_access_token"},
		head + "send_access_token: [true]":                    {5, "send_access_token"},
		head + "redirect_uris: []":                            {5, "redirect_uris"},
		head + "redirect_uris: http://localhost:3000/":        {5, "redirect_uris"},
		head + "remote_redirect_uri: dev.example.com":         {5, "remote_redirect_uri"},
		head + "remote_redirect_uri: http://dev.example.com/": {5, "remote_redirect_uri"},
		head + "remote_redirect_uri: ftp://localhost/":        {5, "remote_redirect_uri"},

		"providers: &a [*a]": {1, ""},
		"providers:\n  - issuer: https://op.example.com\n    client_id: c":                            {2, "alias"},
		"providers:\n  - alias:\n    issuer: https://op.example.com\n    client_id: c":                {2, "alias"},
		"providers:\n  - alias: a\n    client_id: c":                                                  {2, "issuer"},
		"providers:\n  - alias: a\n    issuer: https://op.example.com":                                {2, "client_id"},
		"providers:\n  - alias: ' '":                                                                  {2, "alias"},
		"providers:\n  - alias: a a":                                                                  {2, "alias"},
		"providers:\n  - alias: a WebChooser":                                                         {2, "alias"},
		"providers:\n  - alias: a,b":                                                                  {2, "alias"},
		"providers:\n  - alias: --help":                                                               {2, "alias"},
		"providers:\n  - issuer: http://op.example.com":                                               {2, "issuer"},
		"providers:\n  - issuer: http://localhost.example.com":                                        {2, "issuer"},
		"providers:\n  - issuer: ''":                                                                  {2, "issuer"},
		"providers:\n  - client_id: ''":                                                               {2, "client_id"},
		head + "scopes: openid\n  - alias: b a\n    issuer: https://op.example.com\n    client_id: c": {6, "alias"},
		strings.Repeat("#", 1<<20) + "\n":                                                             {0, ""},
	} {
		config, err := login.ParseConfig(file, []byte(in))
		e := (*login.ConfigError)(nil)
		if !errors.As(err, &e) {
			t.Errorf("%q: expected an error, got %+v", shorten(in), config)
			continue
		}
		if e.File != file || e.Line != want.line || e.Member != want.member {
			t.Errorf("%q: expected line %d, member %q, got %d, %q (%v)", shorten(in), want.line, want.member, e.Line, e.Member, e)
		}
		checkOneLine(t, err)
	}
}

// Hosts are compared as hosts.
func TestRedirectURIs(t *testing.T) {
	for uri, ok := range map[string]bool{
		"http://localhost:3000/login-callback": true,
		"http://LOCALHOST:3000/login-callback": true,
		"http://127.0.0.1:3000":                true,
		"http://127.200.3.4:3000/":             true,
		"http://[::1]:3000/":                   true,
		"http://localhost/":                    true,
		"https://localhost:3000/":              false,
		"http://localhost.evil.example.com/":   false,
		"http://127.0.0.1.evil.example.com/":   false,
		"http://127.0.0.1@evil.example.com/":   false,
		"http://localhost@evil.example.com/":   false,
		"http://evil@localhost/":               false,
		"http://evil.example.com#@localhost/":  false,
		"http://evil.example.com/localhost":    false,
		"http://128.0.0.1:3000/":               false,
		"http://0.0.0.0:3000/":                 false,
		"http://[::]:3000/":                    false,
		"http://[::ffff:127.0.0.1]:3000/":      false,
		"http://0x7f000001/":                   false,
		"http://127.1/":                        false,
		"http://localhost.:3000/":              false,
		"http://localhost:0/":                  false,
		"http://localhost:99999/":              false,
		"http://localhost:port/":               false,
		"http://localhost:3000/?a=b":           false,
		"http://localhost:3000/?":              false,
		"http://localhost:3000/#":              false,
		"http:localhost":                       false,
		"http:///login-callback":               false,
		"//localhost/":                         false,
		"localhost:3000":                       false,
		"":                                     false,
	} {
		in := "providers: [{alias: a, issuer: https://op.example.com, client_id: c, redirect_uris: [\"" + uri + "\"]}]"
		_, err := login.ParseConfig(file, []byte(in))
		e := (*login.ConfigError)(nil)
		if errors.As(err, &e); ok != (err == nil) || !ok && e.Member != "redirect_uris" {
			t.Errorf("%q: expected %t, got %v", uri, ok, err)
		}
	}
}

// A misspelled member is told with the name that it is nearest to.
func TestNearestMember(t *testing.T) {
	for name, want := range map[string]string{"isuer": "issuer", "clientid": "client_id", "redirect_uri": "redirect_uris", "Prompt": "prompt", "zzzzzzzz": ""} {
		_, err := login.ParseConfig(file, []byte("providers: [{"+name+": x}]"))
		e := (*login.ConfigError)(nil)
		if !errors.As(err, &e) || want != "" && !strings.HasSuffix(e.Detail, " "+want) || want == "" && !strings.Contains(e.Detail, "alias, issuer") {
			t.Errorf("%s: expected %q, got %v", name, want, err)
		}
	}
}

func TestDefaultConfigIsCopied(t *testing.T) {
	login.DefaultConfig()[0] = 0
	if login.DefaultConfig()[0] == 0 {
		t.Error("the default configuration can be changed")
	}
}

// A file that is something else has errors without end; the first ones are enough.
func TestConfigErrors(t *testing.T) {
	for data, want := range map[string]int{
		"flow: magic\ndefault: x\nproviders: [{isuer: x, flow: y}, z]": 5,
		"providers: [" + strings.Repeat("{a: b},", 1000) + "]":         20,
		strings.Repeat("a: b\n", 1000):                                 20,
	} {
		_, err := login.ParseConfig(file, []byte(data))
		var e *login.ConfigError
		if !errors.As(err, &e) || len(e.All()) != want || e.All()[0] != e {
			t.Errorf("%.40q: expected %d errors, got %v", data, want, err)
			continue
		}
		for i, other := range e.Others {
			if other.File != file || other.Line < e.All()[i].Line || other.Others != nil {
				t.Errorf("%.40q: got %+v behind line %d", data, other, e.All()[i].Line)
			}
		}
	}
}

func shorten(s string) string { return s[:min(len(s), 200)] }

func FuzzParseConfig(f *testing.F) {
	f.Add(login.DefaultConfig())
	f.Add([]byte("providers: &a [*a]"))
	f.Add([]byte("providers: [{alias: &a b, issuer: *a, client_id: c, scopes: [openid]}]\n---\n"))
	// Each of the places would have a copy of the list.
	shared := "providers:\n- {alias: a, issuer: &i https://op.example.com, client_id: c, hosts: &h [" + strings.Repeat("a,", 6000) + "]}\n"
	for i := range 200 {
		shared += fmt.Sprintf("- {alias: a%d, issuer: *i, client_id: c, hosts: *h}\n", i)
	}
	f.Add([]byte(shared))
	f.Fuzz(func(t *testing.T, data []byte) {
		var config *login.Config
		var err error
		allocation.Check(t, len(data), func() { config, err = login.ParseConfig(file, data) })
		if err != nil {
			if e := (*login.ConfigError)(nil); !errors.As(err, &e) {
				t.Errorf("got %T", err)
			}
			checkOneLine(t, err)
			return
		}
		checkProviders(t, config.Providers)
	})
}
