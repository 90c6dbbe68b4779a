package login_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"opkssh/internal/login"
)

func newProvider(t testing.TB) login.Provider {
	t.Helper()
	p, err := login.NewProvider("new one", "https://new.example.com", "opkssh", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const newEntry = "  - alias: new one\n    issuer: https://new.example.com\n    client_id: opkssh\n"

const marginEntry = "- alias: new one\n  issuer: https://new.example.com\n  client_id: opkssh\n"

const oneProvider = "providers:\n  - alias: work\n    issuer: https://sso.example.com\n    client_id: a\n"

// Every byte stays, and the provider comes where an editor's reader expects it. ¦ marks the place.
func TestAppendProvider(t *testing.T) {
	for name, c := range map[string]struct{ file, entry string }{
		"one":                      {oneProvider + "¦", newEntry},
		"no newline at the end":    {strings.TrimSuffix(oneProvider, "\n") + "¦", "\n" + newEntry},
		"list at the margin":       {"providers:\n- alias: work\n  issuer: https://sso.example.com\n  client_id: a\n¦", marginEntry},
		"windows lines":            {strings.ReplaceAll(oneProvider, "\n", "\r\n") + "¦", strings.ReplaceAll(newEntry, "\n", "\r\n")},
		"byte order mark":          {"\uFEFF# mine\n" + oneProvider + "¦", newEntry},
		"comments":                 {"# top\n" + oneProvider + "    # scopes: openid\n¦\n# the end\n", newEntry},
		"member below":             {oneProvider + "¦\n# how\nflow: paste\n", newEntry},
		"member below, no space":   {oneProvider + "¦flow: paste\n", newEntry},
		"end of the document":      {oneProvider + "¦...\n", newEntry},
		"entries apart":            {oneProvider + "\n  # two\n  - alias: b\n    issuer: https://b.example.com\n    client_id: b\n¦", "\n" + newEntry},
		"entries in braces":        {"providers:\n  - {alias: work, issuer: https://sso.example.com, client_id: a}\n¦", newEntry},
		"text that looks like one": {"providers:\n  - alias: work\n    issuer: https://sso.example.com\n    client_id: a\n    prompt: |-\n      # no comment\n¦\n", newEntry},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, found := strings.Cut(c.file, "¦")
			if !found {
				t.Fatal("no place")
			}
			got, err := login.AppendProvider("config.yml", []byte(before+after), newProvider(t))
			want := before + c.entry + after
			if err != nil || string(got) != want {
				t.Errorf("expected\n%q\ngot\n%q, %v", want, got, err)
			}
		})
	}
}

func TestAppendProviderRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"brackets":                "providers: [{alias: work, issuer: https://sso.example.com, client_id: a}]\n",
		"presets":                 "default_provider: google\n",
		"nothing":                 "",
		"comments":                "# nothing\n",
		"dash alone":              "providers:\n  -\n    alias: work\n    issuer: https://sso.example.com\n    client_id: a\n",
		"no comment":              "providers:\n  - alias: work\n    issuer: https://sso.example.com\n    client_id: a\n    prompt: \"a\n  # b\"\n",
		"old lines":               strings.ReplaceAll(oneProvider, "\n", "\r"),
		"old lines, member below": strings.ReplaceAll(oneProvider, "\n", "\r") + "flow: paste\r",
		"in a flow map":           "{providers: [{alias: work, issuer: https://sso.example.com, client_id: a}], flow: paste}\n",
	} {
		got, err := login.AppendProvider("config.yml", []byte(file), newProvider(t))
		var failure *login.AppendError
		if !errors.As(err, &failure) || !strings.HasSuffix(failure.Text, newEntry) || got != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
			continue
		}
		// What is to be put there is what was meant.
		if strings.HasPrefix(failure.Text, "providers:\n") {
			config, err := login.ParseConfig("config.yml", []byte(failure.Text))
			if err != nil || len(config.Providers) != len(login.Presets())+1 {
				t.Errorf("%s: %v in\n%s", name, err, failure.Text)
			}
		}
	}
	for name, file := range map[string]string{
		"broken":     "providers:\n\t- alias: work\n",
		"same alias": "providers:\n  - alias: old one\n    issuer: https://sso.example.com\n    client_id: a\n",
		"preset":     "flow: paste\n",
	} {
		p := newProvider(t)
		if name == "preset" {
			p.Aliases = []string{"google"}
		}
		_, err := login.AppendProvider("config.yml", []byte(file), p)
		var failure *login.ConfigError
		if !errors.As(err, &failure) || failure.File != "config.yml" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Values that YAML would take for something else come back as they were.
func TestAppendedValues(t *testing.T) {
	for _, value := range []string{"123", "true", "null", "~", "a: b", "# a", "'a'", `"a"`, `\`, "{a}", "- a", "&a", "*a", "!a", "1e3", "0x1f", "2026-11-20", strings.Repeat("a ", 200) + "b"} {
		p, err := login.NewProvider("new", "https://new.example.com", value, value+"\u2028\nü", []string{"openid", "a:b", "#"})
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		got, err := login.AppendProvider("config.yml", login.DefaultConfig(), p)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		config, err := login.ParseConfig("config.yml", got)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		last := config.Providers[len(config.Providers)-1]
		if last.ClientID != p.ClientID || last.ClientSecret != p.ClientSecret || strings.Join(last.Scopes, " ") != "openid a:b #" {
			t.Errorf("expected %+v, got %+v", p, last)
		}
	}
}

// YAML has no form for what is not UTF-8.
func TestNewProviderWantsUTF8(t *testing.T) {
	for _, c := range [][3]string{{"a\xff", "https://new.example.com", ""}, {"a", "https://new.example.com/\xff", ""}, {"a", "https://new.example.com", "s3cret\xff"}} {
		_, err := login.NewProvider(c[0], c[1], "opkssh", c[2], nil)
		if wantCode(t, err, login.CodeConfiguration); err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the secret in %v", err)
		}
	}
}

func TestNewProviderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		names, issuer, clientID string
		scopes                  []string
	}{
		"no alias":        {"", "https://new.example.com", "a", nil},
		"reserved alias":  {"webchooser", "https://new.example.com", "a", nil},
		"alias of a lock": {"work.lock other", "https://new.example.com", "a", nil},
		"double alias":    {"a a", "https://new.example.com", "a", nil},
		"http":            {"a", "http://new.example.com", "a", nil},
		"no client ID":    {"a", "https://new.example.com", "", nil},
		"no openid":       {"a", "https://new.example.com", "a", []string{"email"}},
		"no scopes":       {"a", "https://new.example.com", "a", []string{}},
	} {
		if _, err := login.NewProvider(c.names, c.issuer, c.clientID, "", c.scopes); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantCode(t, err, login.CodeConfiguration)
		}
	}
}

// FuzzAppendProvider: what is accepted holds every line that was there, and means the same with one provider more: the one that was
// meant, whatever its values.
func FuzzAppendProvider(f *testing.F) {
	f.Add(string(login.DefaultConfig()), "new one", "opkssh", "")
	for _, seed := range []string{"", oneProvider, "providers: []\n", oneProvider + "...\n", oneProvider + "# x\nflow: paste\n", "%YAML 1.1\n---\n" + oneProvider} {
		f.Add(seed, "new one", "opkssh", "")
	}
	for _, value := range []string{"123", "~", "a: b # c", "- a", "'", `"\`, "<<", "\u2028\x00\x85", "=", "yes"} {
		f.Add(oneProvider, "new", value, value)
	}
	f.Fuzz(func(t *testing.T, file, names, clientID, secret string) {
		p, err := login.NewProvider(names, "https://new.example.com", clientID, secret, nil)
		if err != nil {
			return
		}
		got, err := login.AppendProvider("config.yml", []byte(file), p)
		if err != nil {
			return
		}
		before, err := login.ParseConfig("config.yml", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		after, err := login.ParseConfig("config.yml", got)
		if err != nil || len(after.Providers) != len(before.Providers)+1 || after.DefaultProvider != before.DefaultProvider {
			t.Fatalf("%q became %q: %v", file, got, err)
		}
		if last := after.Providers[len(after.Providers)-1]; !reflect.DeepEqual(last, p) {
			t.Fatalf("%q: expected %+v, got %+v", got, p, last)
		}
		for i, other := range before.Providers {
			if !reflect.DeepEqual(other, after.Providers[i]) {
				t.Fatalf("%q became %q, and %+v %+v", file, got, other, after.Providers[i])
			}
		}
		// The text of the file is there, in two parts at most.
		at := 0
		for at < len(file) && at < len(got) && file[at] == got[at] {
			at++
		}
		for ; at >= 0; at-- {
			if strings.HasPrefix(file, string(got[:at])) && bytes.HasSuffix(got, []byte(file[at:])) {
				return
			}
		}
		t.Fatalf("%q became %q", file, got)
	})
}
