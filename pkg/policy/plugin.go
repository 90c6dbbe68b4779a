package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The members of a file of policy.d, and the modes.
const (
	pluginName    = "name"
	pluginCommand = "command"
	pluginMode    = "mode"
	// Hosts have it from other implementations, where false let tokens of unknown providers reach a plugin. Here none ever do.
	pluginEnforceProviders = "enforce_providers"

	modeAllow   = "allow"
	modeRequire = "require"
)

// Plugin is a file of policy.d: a program that has a say in who may log in.
type Plugin struct {
	Name    string
	Command []string // its words, with nothing expanded; the first is the absolute path of the program
	Require bool     // its consent is needed for every login; otherwise it may allow what no rule does
	File    string
	Line    int    // of the command, from 1
	Data    []byte // what the file holds
}

// ParsePlugin reads a file of policy.d. It is as strict as [ParseConfig], and every error is a [*ConfigError]. file is for
// messages and goes into the plugin. What a file with an error counts for, [MayRequirePlugin] says.
func ParsePlugin(file string, data []byte) (*Plugin, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, &ConfigError{File: file, Detail: "expected name and command, got none"}
	}
	r := yamlReader{file}
	p := &Plugin{File: file, Data: data}
	err = r.mapping(root, map[string]func(*yaml.Node) error{
		pluginName: r.text(&p.Name, func(name string) error { return cmp.Or(checkNotWildcard(name), checkNoMode(root, name)) }),
		pluginCommand: func(n *yaml.Node) error {
			p.Line = n.Line
			return r.text(new(string), func(command string) error { return cmp.Or(checkNoMode(root, command), p.setCommand(command)) })(n)
		},
		pluginMode: r.text(new(string), func(mode string) error {
			if mode != modeAllow && mode != modeRequire {
				return fmt.Errorf("expected allow or require, got %s", quoteShort(mode))
			}
			p.Require = mode == modeRequire
			return nil
		}),
		pluginEnforceProviders: r.boolean(new(bool)),
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

// MayRequirePlugin is false where a file that [ParsePlugin] refuses is surely no plugin of mode require: it holds nothing but comments,
// or it is a mapping whose mode is allow or missing, and nothing else in it could be that mode with a typing error in it.
//
// A plugin that worked had the member mode with the value require. A slip spoils one of them, and the other one still tells.
func MayRequirePlugin(data []byte) bool {
	root, err := parseYAML("", data)
	switch {
	case err != nil:
		return true
	case root == nil:
		return !commentsOnly(data)
	case root.Kind != yaml.MappingNode || !plain(root):
		return true
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		// One of two may have been meant for the mode.
		if memberMayRequire(root, key, value) || seen[key.Value] && (key.Value == pluginName || key.Value == pluginCommand) {
			return true
		}
		seen[key.Value] = true
	}
	return false
}

func memberMayRequire(root, key, value *yaml.Node) bool {
	scalar := value.Kind == yaml.ScalarNode
	oneWord := scalar && len(strings.Fields(value.Value)) == 1
	switch {
	case key.Kind != yaml.ScalarNode || !plain(key) || key.Tag == mergeTag:
		return true
	case key.Value == pluginMode:
		return !scalar || !plain(value) || value.Value != modeAllow
	case scalar && key.Value == pluginName:
		return checkNoMode(root, value.Value) != nil
	case scalar && key.Value == pluginCommand:
		return checkNoMode(root, value.Value) != nil || oneWord && !path.IsAbs(strings.TrimSpace(value.Value)) && isRequire(value.Value)
	case anyText(value, holdsMode):
		return true
	}
	// It contains the name where the colon was not read as one: {mode:x}. A value of several words is a description.
	return containsFoldASCII(key.Value, pluginMode) || isRequire(key.Value) ||
		(oneWord || !scalar) && (nearestName(key.Value, pluginMode) != "" || anyText(value, isRequire))
}

// memberMode is the member mode within other text.
var memberMode = lazyRegexp(`(?i)(?:^|\s)["']?mode["']?\s*:(?:\s|$)`)

// holdsMode is whether a line that was meant to be the member mode has fallen into a value: by blanks in front of it, or a quote that is not closed.
func holdsMode(text string) bool { return memberMode().MatchString(text) }

// checkNoMode is for name and command of a file without a mode: where there is one, it has fallen nowhere.
func checkNoMode(root *yaml.Node, text string) error {
	if _, mode := find(root, pluginMode); mode == nil && holdsMode(text) {
		return fmt.Errorf("expected no member in it, got %s: mend its quotes or the blanks in front of mode, or write a mode as well", quoteShort(text))
	}
	return nil
}

// isRequire is whether text has the word, in one of its forms, or could be it with a typing error in it. acquire is another word.
func isRequire(text string) bool {
	const slips = 2
	near := editDistance(text, modeRequire) <= slips || editDistance(text, modeRequire+"d") <= slips
	return containsFoldASCII(text, "requir") || near && !strings.HasPrefix(text, "acquire")
}

// mergeTag is what the parser gives to the key <<, which takes over members from elsewhere.
const mergeTag = "!!merge"

// anyText asks about all keys and values. What an alias stands for is elsewhere in the file.
func anyText(n *yaml.Node, is func(string) bool) bool {
	return n.Kind == yaml.ScalarNode && is(n.Value) || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return anyText(c, is) })
}

// commentsOnly is also true of an empty file, but not of one that says null.
func commentsOnly(data []byte) bool {
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\uFEFF"))) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
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
