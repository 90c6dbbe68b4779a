package policy

import (
	"fmt"
	"path"

	"go.yaml.in/yaml/v3"
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
// messages and goes into the plugin.
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
		"name": r.text(&p.Name, checkNotWildcard),
		"command": func(n *yaml.Node) error {
			p.Line = n.Line
			return r.text(new(string), p.setCommand)(n)
		},
		"mode": r.text(new(string), func(mode string) error {
			if mode != "allow" && mode != "require" {
				return fmt.Errorf("expected allow or require, got %s", quoteShort(mode))
			}
			p.Require = mode == "require"
			return nil
		}),
	})
	switch {
	case err != nil:
		return nil, asConfigError(err)
	case p.Name == "":
		return nil, r.fail(root, "expected a name")
	case p.Command == nil:
		return nil, r.fail(root, "expected a command")
	}
	return p, nil
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
