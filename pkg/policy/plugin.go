package policy

import (
	"fmt"
	"path"

	"go.yaml.in/yaml/v3"
)

// The members of a file of policy.d, and the modes.
const (
	pluginName    = "name"
	pluginCommand = "command"
	pluginMode    = "mode"

	modeAllow   = "allow"
	modeRequire = "require"
)

// Plugin is a file of policy.d: a program that has a say in who may log in.
type Plugin struct {
	Name    string
	Command []string // its words, with nothing expanded; the first is the absolute path of the program
	Require bool     // its consent is needed for every login; otherwise it may allow what no rule does
	File    string
	Line    int // of the command, from 1
}

// ParsePlugin reads a file of policy.d. It is as strict as [ParseConfig], and every error is a [*ConfigError]. file is for
// messages and goes into the plugin. What a file with an error counts for, [MayRequirePlugin] says.
func ParsePlugin(file string, data []byte) (*Plugin, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, &ConfigError{File: file, Detail: "expected name and command, got an empty file"}
	}
	r := yamlReader{file}
	p := &Plugin{File: file}
	err = r.mapping(root, map[string]func(*yaml.Node) error{
		pluginName: r.text(&p.Name, checkNotWildcard),
		pluginCommand: func(n *yaml.Node) error {
			p.Line = n.Line
			return r.text(new(string), p.setCommand)(n)
		},
		pluginMode: r.text(new(string), func(mode string) error {
			if mode != modeAllow && mode != modeRequire {
				return fmt.Errorf("expected allow or require, got %s", quoteShort(mode))
			}
			p.Require = mode == modeRequire
			return nil
		}),
	})
	_, mode := find(root, pluginMode)
	switch {
	case err != nil:
		return nil, asConfigError(err)
	case mode != nil && isNull(mode):
		// No default here: this may be the beginning of a mode that was cut off.
		return nil, r.fail(mode, "expected allow or require, got none")
	case p.Name == "":
		return nil, r.fail(root, "expected a name")
	case p.Command == nil:
		return nil, r.fail(root, "expected a command")
	}
	return p, nil
}

// MayRequirePlugin is false where a file that [ParsePlugin] refuses is surely no plugin of mode require: it is a mapping, and says
// `mode: allow`, or has no mode and no member that could be one with a typing error in it.
func MayRequirePlugin(data []byte) bool {
	root, err := parseYAML("", data)
	if err != nil || root == nil || root.Kind != yaml.MappingNode || !plain(root) {
		return true
	}
	saysAllow, saysOther := false, false
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || !plain(key):
			return true
		case key.Value == pluginMode && value.Kind == yaml.ScalarNode && plain(value) && value.Value == modeAllow:
			saysAllow = true
		case key.Value == pluginMode:
			return true
		case key.Value != pluginName && key.Value != pluginCommand:
			saysOther = true
		}
	}
	return saysOther && !saysAllow
}

func (p *Plugin) setCommand(command string) error {
	words, err := SplitCommand(command)
	if err != nil {
		return err
	}
	if !path.IsAbs(words[0]) {
		return fmt.Errorf("expected a program with an absolute path, got %s", quoteShort(words[0]))
	}
	p.Command = words
	return nil
}
