package policy_test

import (
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
		{"\uFEFFname: p\ncommand: /p\nmode: 'allow'\n", policy.Plugin{Name: "p", Command: []string{"/p"}, Line: 2}},
	} {
		test.want.File = "10-p.yml"
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
		"name: p":                                     false,
		"command: /p":                                 false,
		"name: what we require\ncommand: p":           false,
		"name: p\nname: q\ncommand: /p":               false,
		"name: p\ncommand: /p\nmode: allow\nx: y":     false,
		"x: {mode: require}\nmode: allow":             false,
		"{command: p, mode: \"allow\"}":               false,
		"{}":                                          false,
		"":                                            true,
		"# name: p":                                   true,
		"mode":                                        true,
		"- mode: allow":                               true,
		"name: p\ncommand: /p\nmode":                  true,
		"name: p\ncommand: /p\nmode:":                 true,
		"name: p\ncommand: /p\nmode: requ":            true,
		"name: p\ncommand: /p\nmode: 'requ":           true,
		"name: p\ncommand: /p\nmode: reqiure":         true,
		"name: p\ncommand: /p\nmode: must":            true,
		"name: p\ncommand: /p\nmode: Allow":           true,
		"name: p\ncommand: /p\nmode: [allow]":         true,
		"name: p\ncommand: /p\nmode: !!str allow":     true,
		"name: &a allow\ncommand: /p\nmode: *a":       true,
		"name: p\nmode: allow\nmode: require":         true,
		"name: p\ncommand: /p\nmdoe: must":            true,
		"name: p\ncommand: /p\nMode: require":         true,
		"name: p\ncommand: /p\nmandatory: true":       true,
		"x: &x {mode: require}\n<<: *x":               true,
		"x: &allow must\nmode: *allow":                true,
		"name: allow\nmandatory: true":                true,
		"&a mode: allow\nx: y":                        true,
		"!!str mode: allow\nx: y":                     true,
		"? [mode]\n: require\nmode: allow":            true,
		"!!map\nmode: allow\nx: y":                    true,
		"&a\nmode: allow\nx: y":                       true,
		"name: p\ncommand: p\n---\nmode: require":     true,
		"name: p\ncommand: /p\n mode: require":        true,
		"\xff\xfem\x00o\x00d\x00e\x00:\x00 \x00x\x00": true, // UTF-16
		"m\x00o\x00d\x00e\x00:\x00 \x00x\x00":         true,
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

func FuzzParsePlugin(f *testing.F) {
	f.Add([]byte("name: p\ncommand: /p 'a b'\nmode: require\n"))
	f.Add([]byte("{name: p, command: /p, mode: [x]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *policy.Plugin
		var err error
		allocation.Check(t, len(data), func() { p, err = policy.ParsePlugin("p.yml", data) })
		var ce *policy.ConfigError
		switch {
		case err != nil && (p != nil || !errors.As(err, &ce)):
			t.Fatalf("expected a ConfigError alone, got %+v, %v", p, err)
		case err == nil && p.Require && !policy.MayRequirePlugin(data):
			t.Fatalf("%q: expected that it may be required", data)
		case err == nil && (p.Name == "" || len(p.Command) == 0 || !strings.HasPrefix(p.Command[0], "/") || p.Line < 1):
			t.Fatalf("accepted %+v", p)
		}
	})
}
