package policy_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/policy"
)

func TestParsePlugin(t *testing.T) {
	for _, test := range []struct {
		data string
		want policy.Plugin
	}{
		{
			"name: Example plugin\ncommand: /etc/opk/plugin.sh\n",
			policy.Plugin{Name: "Example plugin", Command: []string{"/etc/opk/plugin.sh"}, Line: 2},
		},
		{
			"# by hand\r\nmode: require\r\nname: 'hours'\r\ncommand: /opt/hours \"a b\" 'c $HOME' %u # d\r\n",
			policy.Plugin{Name: "hours", Command: []string{"/opt/hours", "a b", "c $HOME", "%u"}, Require: true, Line: 4},
		},
		{"{command: /p, name: 7, mode: allow}", policy.Plugin{Name: "7", Command: []string{"/p"}, Line: 1}},
		{"name: p\ncommand: /p\nenforce_providers: true\n", policy.Plugin{Name: "p", Command: []string{"/p"}, Line: 2}},
		{"enforce_providers: false\nname: p\ncommand: /p\nmode: require\n", policy.Plugin{Name: "p", Command: []string{"/p"}, Require: true, Line: 3}},
		{"mode: allow\nname: 'compat mode: on'\ncommand: \"/p 'mode: strict'\"\n", policy.Plugin{Name: "compat mode: on", Command: []string{"/p", "mode: strict"}, Line: 3}},
		{"name: p\ncommand: /p '{\"mode\":\"fast\"}' --mode=x\n", policy.Plugin{Name: "p", Command: []string{"/p", `{"mode":"fast"}`, "--mode=x"}, Line: 2}},
		{"\uFEFFname: p\ncommand: /p\nmode: 'allow'\n", policy.Plugin{Name: "p", Command: []string{"/p"}, Line: 2}},
	} {
		test.want.File, test.want.Data = "10-p.yml", []byte(test.data)
		got, err := policy.ParsePlugin("10-p.yml", []byte(test.data))
		if err != nil || !reflect.DeepEqual(got, &test.want) {
			t.Errorf("%q: expected %+v, got %+v, %v", test.data, test.want, got, err)
		}
	}
}

func TestBadPlugin(t *testing.T) {
	for _, test := range []struct {
		data string
		line int
	}{
		{"", 0},
		{"# nothing\n", 0},
		{"name: p", 1},
		{"command: /p", 1},
		{"name:\ncommand: /p", 1},
		{"name: ''\ncommand: /p", 1},
		{"name: p\ncommand:", 1},
		{"name: p\ncommand: ''", 2},
		{"name: p\ncommand: p", 2},
		{"name: p\ncommand: ./p", 2},
		{"name: p\ncommand: \"/p 'x\"", 2},
		{"name: p\ncommand: [/p, x]", 2},
		{"name: \"a\\nb\"\ncommand: /p", 1},
		{"name: p\ncommand: \"/p\\0\"", 2},
		{"name: p\ncommand: /p\nmode: deny", 3},
		{"name: p\ncommand: /p\nmode: Require", 3},
		{"name: p\ncommand: /p\nmode: [require]", 3},
		{"name: p\ncommand: /p\nmode:", 3},
		{"name: p\ncommand: /p\nmode: ~", 3},
		{"name: p\ncommand: /p\nmodes: require", 3},
		{"name: p\ncommand: /p\nmode: require\nmode: allow", 4},
		{"name: p\ncommand: /p\nenforce_providers: some", 3},
		{"name: p\ncommand: /p\ndescription: x", 3},
		{"name: &a p\ncommand: /p", 1},
		{"- name: p\n  command: /p", 1},
		{"name: p\ncommand: /p\n---\nname: q\ncommand: /q", 3},
		{"name: p\n\tcommand: /p", 0},
		{strings.Repeat("# comment\n", policy.MaxConfigSize/10+1), 0},
	} {
		p, err := policy.ParsePlugin("10-p.yml", []byte(test.data))
		var ce *policy.ConfigError
		if p != nil || !errors.As(err, &ce) {
			t.Errorf("%q: expected a ConfigError, got %+v, %v", test.data[:min(len(test.data), 80)], p, err)
			continue
		}
		if ce.File != "10-p.yml" || ce.Detail == "" || test.line != 0 && ce.Line != test.line {
			t.Errorf("%q: expected line %d, got %v", test.data, test.line, err)
		}
	}
}

// TestMayRequirePlugin: each file is one that ParsePlugin refuses.
func TestMayRequirePlugin(t *testing.T) {
	for data, want := range map[string]bool{
		"name: p":                                            false,
		"command: /p":                                        false,
		"name: what we require\ncommand: p":                  false,
		"name: p\nname: q\ncommand: /p":                      true,
		"name: p\ncommand: /p\nmode: allow\nx: y":            false,
		"{command: p, mode: \"allow\"}":                      false,
		"{}":                                                 false,
		"name: p\ncommand: /p\ndescription: x":               false,
		"name: p\ncommand: /p\nmandatory: true":              false,
		"name: p\ncommand: /p\nx: requires a VPN":            false,
		"name: p\ncommand: /p\nx: ' require '":               true,
		"name: p\ncommand: /p\nenforce_providers: 2":         false,
		"name: require\ncommand: /require\nversion: 2":       false,
		"name: p\ncommand: /p\nx: {y: [1, z]}":               false,
		"":                                                   false,
		"# name: p":                                          false,
		"# mode: require\n\n  # x\n":                         false,
		"\uFEFF# name: p\r\n---\r\n":                         false,
		"name: require\nname: p\ncommand: /p":                true,
		"name: p\ncommand: require":                          true,
		"name: p\ncommand: /p\nrequred: true":                true,
		"name: 'p, mode: x'\nmode: allow\ncommand: /p\nx: y": false,
		"name: p\ncommand: /p\nkind: acquire":                false,
		"name: p\ncommand: /p\nx: reqiure":                   true,
		"name: p\ncommand: /p\nnote: asks LDAP":              false,
		"name: p\ncommand: /p\nx: not in mode":               false,
		"name: p\ncommand: /p --mode:x\ny: z":                false,
		"x: |\n  why\n  mode: require\nname: p":              true,
		"name: p\ncommand: >-\n  /p\n  mode: require":        true,
		"name: 'p\nmode : require\ncommand: /p'":             true,
		"name: 'p\n\"mode\": require\ncommand: /p'":          true,
		"name: \"p\\nmode: require\"\ncommand: /p":           true,
		"~":                                                                  true,
		"# x\nnull":                                                          true,
		"--- # x\n!!null":                                                    true,
		"mode":                                                               true,
		"- mode: allow":                                                      true,
		"name: p\ncommand: /p\nmode":                                         true,
		"name: p\ncommand: /p\nmode:":                                        true,
		"name: p\ncommand: /p\nmode: requ":                                   true,
		"name: p\ncommand: /p\nmode: 'requ":                                  true,
		"name: p\ncommand: /p\nmode: reqiure":                                true,
		"name: p\ncommand: /p\nmode: must":                                   true,
		"name: p\ncommand: /p\nmode: Allow":                                  true,
		"name: p\ncommand: /p\nmode: [allow]":                                true,
		"name: p\ncommand: /p\nmode: !!str allow":                            true,
		"name: &a allow\ncommand: /p\nmode: *a":                              true,
		"name: p\nmode: allow\nmode: require":                                true,
		"name: p\ncommand: /p\nmdoe: must":                                   true,
		"name: p\ncommand: /p\nMode: require":                                true,
		"name: p\ncommand: /p\nMODE: must":                                   true,
		"name: p\ncommand: /p\nmodus: must":                                  true,
		"name: p\ncommand: /p\nmo\u200bde: must":                             true,
		"name: p\ncommand: /p\nrequired: true":                               true,
		"name: p\ncommand: /p\nisRequired: 1":                                true,
		"name: p\ncommand: /p\npolicy: REQUIRE":                              true,
		"name: p\ncommand: /p\nx: {y: [{z: requires}]}":                      true,
		"name: p\ncommand: [/p, --require]":                                  true,
		"name: {p: require}\ncommand: /p":                                    true,
		"name: p\ncommand: /p\nmode: allow\nx: require":                      true,
		"x: {mode: require}\nmode: allow":                                    true,
		"x: &x {mode: must}\n<<: *x":                                         true,
		"name: &a require\ncommand: /p\n*a : must":                           true,
		"name: p\ncommand: |\n  p\n  mode: must\n":                           true,
		"x: &x {mode: require}\n<<: *x":                                      true,
		"x: &allow must\nmode: *allow":                                       true,
		"&a mode: allow\nx: y":                                               true,
		"!!str mode: allow\nx: y":                                            true,
		"? [mode]\n: require\nmode: allow":                                   true,
		"!!map\nmode: allow\nx: y":                                           true,
		"&a\nmode: allow\nx: y":                                              true,
		"name: p\ncommand: p\n---\nmode: require":                            true,
		"name: p\ncommand: /p\n mode: require":                               true,
		"\xff\xfem\x00o\x00d\x00e\x00:\x00 \x00x\x00":                        true, // UTF-16
		"m\x00o\x00d\x00e\x00:\x00 \x00x\x00":                                true,
		strings.Repeat("# comment\n", policy.MaxConfigSize/10+1) + "name: p": true,
	} {
		name := data[:min(len(data), 80)]
		if _, err := policy.ParsePlugin("p.yml", []byte(data)); err == nil {
			t.Errorf("%q: expected a file with an error", name)
		}
		if got := policy.MayRequirePlugin([]byte(data)); got != want {
			t.Errorf("%q: expected %v, got %v", name, want, got)
		}
	}
}

// TestSlipInARequiredPlugin: a byte that is missing or twice, two that have changed places, a letter in the other case. Whatever comes
// out is refused and may be required, or is a plugin that is required.
func TestSlipInARequiredPlugin(t *testing.T) {
	slips := func(text string) (slipped []string) {
		for i := range text {
			slipped = append(slipped, text[:i]+text[i+1:], text[:i+1]+text[i:], text[:i]+strings.ToUpper(text[i:i+1])+text[i+1:])
			if i > 0 {
				slipped = append(slipped, text[:i-1]+text[i:i+1]+text[i-1:i]+text[i+1:])
			}
		}
		return slipped
	}
	for _, text := range []string{
		"mode: require\nname: p\ncommand: /p a\n",
		"name: p\ncommand: /p a\nmode: require\n",
		"name: p\nmode: require\ncommand: /p 'a b'\nenforce_providers: true\n",
		"name: p\r\nmode: 'require'\r\ncommand: \"/p a\"\r\ndescription: x\r\n",
		"{\"mode\": \"require\", \"name\": \"p\", \"command\": \"/p a\"}",
		"{name: p, mode: require, command: /p}",
		"{command: /p a, name: p, mode: require}",
	} {
		for _, data := range slips(text) {
			p, err := policy.ParsePlugin("p.yml", []byte(data))
			if err == nil && !p.Require || err != nil && !policy.MayRequirePlugin([]byte(data)) {
				t.Errorf("%q: expected that it is or may be required, got %+v, %v", data, p, err)
			}
		}
	}
}

func FuzzParsePlugin(f *testing.F) {
	f.Add([]byte("name: p\ncommand: /p 'a b'\nmode: require\n"))
	f.Add([]byte("{name: p, command: /p, mode: [x]}"))
	f.Add([]byte("name: p\ncommand: /p\nenforce_providers: true\nmodus: require\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *policy.Plugin
		var err error
		allocation.Check(t, len(data), func() { p, err = policy.ParsePlugin("p.yml", data) })
		var ce *policy.ConfigError
		switch {
		case err != nil && (p != nil || !errors.As(err, &ce)):
			t.Fatalf("expected a ConfigError alone, got %+v, %v", p, err)
		case err == nil && !bytes.Equal(p.Data, data):
			t.Fatalf("expected the file's own content, got %q", p.Data)
		case err == nil && p.Require && !policy.MayRequirePlugin(data):
			t.Fatalf("%q: expected that it may be required", data)
		case err == nil && p.Require && !policy.MayRequirePlugin(append(bytes.Clone(data), "\ndescription: x\n"...)):
			t.Fatalf("%q and an unknown member: expected that it may be required", data)
		case err == nil && (p.Name == "" || len(p.Command) == 0 || !strings.HasPrefix(p.Command[0], "/") || p.Line < 1):
			t.Fatalf("accepted %+v", p)
		}
	})
}
