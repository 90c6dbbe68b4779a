package login

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// NewProvider is a provider with defaults for what is not said. names are separated by blanks; scopes nil are the default ones.
// The error is an [*Error] with [CodeConfiguration].
func NewProvider(names, issuer, clientID, clientSecret string, scopes []string) (Provider, error) {
	p := defaultProvider()
	p.Issuer, p.ClientID, p.ClientSecret = issuer, clientID, clientSecret
	if scopes != nil {
		p.Scopes = scopes
	}
	err := p.check()
	if err == nil {
		p.Aliases, err = parseAliases(names, map[string]bool{})
	}
	if err == nil {
		err = checkFileEnd(p.Aliases[0]) // it may get hosts by hand
	}
	if err != nil {
		return Provider{}, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	return p, nil
}

// AppendError says why a provider cannot be put into a config.yml without a change of more than that. Text is what to put there
// by hand.
type AppendError struct {
	File   string
	Detail string
	Text   string
}

// Error is one line, without the text.
func (e *AppendError) Error() string { return e.File + ": " + e.Detail }

// AppendProvider puts a provider of [NewProvider], which may have a CAFile too, at the end of the list in a config.yml. Every byte
// that was there stays. The error is a [*ConfigError] where the file cannot be used or has one of the aliases, an [*Error] where the
// provider cannot be used, else an [*AppendError].
func AppendProvider(file string, data []byte, p Provider) ([]byte, error) {
	before, err := ParseConfig(file, data)
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	p.SendAccessToken = before.SendAccessToken // which the new entry leaves to the file
	for _, alias := range p.Aliases {
		if _, err := Find(before.Providers, alias); err == nil {
			return nil, &ConfigError{File: file, Member: "alias", Detail: fmt.Sprintf("there is a provider with the alias %q", alias)}
		}
	}
	appended, text, err := appendProvider(data, before, p)
	if err != nil {
		return nil, &AppendError{File: file, Detail: err.Error(), Text: text}
	}
	// The text was cut by lines. What counts is what it means.
	after, err := ParseConfig(file, appended)
	if err == nil {
		want := *before
		want.Providers = append(slices.Clone(before.Providers), p)
		if reflect.DeepEqual(after, &want) {
			return appended, nil
		}
	}
	return nil, &AppendError{File: file, Detail: "its form does not let a provider be added safely", Text: text}
}

// appendProvider gives the new file, or the text to put there by hand.
func appendProvider(data []byte, config *Config, p Provider) (appended []byte, text string, err error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	newline := "\n"
	if bytes.HasSuffix(lines[0], []byte("\r\n")) {
		newline = "\r\n"
	}
	text = providerText(p, "  ", "\n")
	list, end, err := providersIn(data, len(lines))
	if err != nil {
		return nil, text, err
	}
	if list == nil {
		all := "providers:\n"
		for _, known := range config.Providers {
			all += providerText(known, "  ", "\n")
		}
		return nil, all + text, fmt.Errorf("it has no providers of its own, so that those counted until now would be gone")
	}
	// The parser knows more ends of lines than this does.
	if max(end, list.Content[0].Line, list.Content[len(list.Content)-1].Line) > len(lines) {
		return nil, text, fmt.Errorf("its lines end in something else than LF or CRLF")
	}
	first := regexp.MustCompile(`^( *)- +[^ ]`).FindSubmatch(lines[list.Content[0].Line-1])
	if first == nil {
		return nil, text, fmt.Errorf("its providers are not written as one below the other, with a dash each")
	}
	indent := string(first[1])
	// What stands below the last entry and further to the left belongs to what follows.
	for end > 0 && isBelow(lines[end-1], len(indent)) {
		end--
	}
	insert := providerText(p, indent, newline)
	if n := len(list.Content); n > 1 && isSpaced(lines, list.Content[n-1].Line-1) {
		insert = newline + insert
	}
	if end > 0 && !bytes.HasSuffix(lines[end-1], []byte("\n")) {
		insert = newline + insert
	}
	return slices.Concat(bytes.Join(lines[:end], nil), []byte(insert), bytes.Join(lines[end:], nil)), text, nil
}

// providersIn gives the list, or nil, and the number of the last line that may belong to it.
func providersIn(data []byte, lines int) (list *yaml.Node, end int, err error) {
	root, err := parseYAML(data)
	if err != nil || root == nil {
		return nil, 0, err
	}
	end = lines
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch {
		case list != nil:
			return list, root.Content[i].Line - 1, nil
		case root.Content[i].Value == "providers" && root.Content[i+1].Kind == yaml.SequenceNode:
			list = root.Content[i+1]
		}
	}
	return list, end, nil
}

// isBelow is whether a line is empty, ends the document, or is a comment that is indented by no more than indent.
func isBelow(line []byte, indent int) bool {
	text := strings.TrimRight(string(line), " \t\r\n")
	rest := strings.TrimLeft(text, " \t")
	return rest == "" || text == "..." || rest[0] == '#' && len(text)-len(rest) <= indent
}

// isSpaced is whether an empty line separates an entry, with the comment on top of it, from the one before.
func isSpaced(lines [][]byte, at int) bool {
	for at--; at >= 0; at-- {
		text := bytes.TrimSpace(lines[at])
		if len(text) == 0 {
			return true
		}
		if text[0] != '#' {
			return false
		}
	}
	return false
}

// providerText is an entry of the list.
func providerText(p Provider, indent, newline string) string {
	scopes := strings.Join(p.Scopes, " ")
	if slices.Equal(p.Scopes, defaultProvider().Scopes) {
		scopes = ""
	}
	members := []struct{ name, value string }{
		{"alias", strings.Join(p.Aliases, " ")}, {"issuer", p.Issuer}, {"client_id", p.ClientID}, {"client_secret", p.ClientSecret},
		{"scopes", scopes}, {"ca_file", p.CAFile},
	}
	var b strings.Builder
	lead := "- "
	for _, m := range members {
		if m.value == "" {
			continue
		}
		b.WriteString(indent + lead + m.name + ": " + yamlString(m.value) + newline)
		lead = "  "
	}
	return b.String()
}

// yamlString quotes where it has to be.
func yamlString(s string) string {
	node := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsAny(s, "\r\n") {
		node.Style = yaml.DoubleQuotedStyle
	}
	text, err := yaml.Marshal(&node)
	if err != nil {
		panic(err) // a string can always be written
	}
	return strings.TrimSuffix(string(text), "\n")
}
