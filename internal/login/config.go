package login

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"opkssh/internal/idp"
)

const maxConfig = 1 << 20

// Config is a person's config.yml.
type Config struct {
	DefaultProvider string // an alias of Providers, or WebChooser
	Providers       []Provider
	Flow            FlowKind // for providers without one of their own; "" is [FlowAuto]
	// AgentLifetime is how long an ssh-agent keeps keys, at most; 0 is until their certificates end.
	AgentLifetime AgentLifetime
	// SendAccessToken is what providers of the file have that say nothing of it.
	SendAccessToken bool
}

// ConfigError says what in config.yml cannot be used. Line is 0 where no line is to blame; Member is the name of the member,
// or "".
type ConfigError struct {
	File   string
	Line   int
	Member string
	Detail string
	Others []*ConfigError // what else is wrong with the file, in its order, up to a limit
}

// All is the error itself, and the others.
func (e *ConfigError) All() []*ConfigError { return append([]*ConfigError{e}, e.Others...) }

// maxConfigErrors is what one person mends at a time. In a file that is something else, every line is wrong.
const maxConfigErrors = 20

// Error gives file, line and what was expected there, on one line.
func (e *ConfigError) Error() string {
	text := e.File
	if e.Line > 0 {
		text += ":" + strconv.Itoa(e.Line)
	}
	return text + ": " + e.Detail
}

//go:embed default_config.yml
var defaultConfig []byte

// DefaultConfig is a commented config.yml that holds the presets.
func DefaultConfig() []byte { return slices.Clone(defaultConfig) }

// ParseConfig reads config.yml. Nothing in it is passed over: an unknown or doubled member and a value that cannot be used
// are a [*ConfigError]. file is for the error alone. What is left out gets its default; without providers that is [Presets].
func ParseConfig(file string, data []byte) (*Config, error) {
	return CheckConfig(file, data, func(string) error { return nil })
}

// CheckConfig is [ParseConfig] that has each ca_file, as it is written, looked at too.
func CheckConfig(file string, data []byte, checkCAFile func(name string) error) (*Config, error) {
	config, err := parseConfig(data, checkCAFile)
	if err == nil {
		return config, nil
	}
	all := configErrors(err)
	all = all[:min(len(all), maxConfigErrors)]
	for _, e := range all {
		e.File = file
	}
	all[0].Others = all[1:]
	return nil, all[0]
}

// configErrors takes apart what was joined.
func configErrors(err error) []*ConfigError {
	switch err := err.(type) {
	case *ConfigError:
		return []*ConfigError{err}
	case interface{ Unwrap() []error }:
		var all []*ConfigError
		for _, inner := range err.Unwrap() {
			all = append(all, configErrors(inner)...)
		}
		return all
	}
	return []*ConfigError{{Detail: err.Error()}}
}

func parseConfig(data []byte, checkCAFile func(string) error) (*Config, error) {
	root, err := parseYAML(data)
	if err != nil {
		return nil, err
	}
	config := &Config{DefaultProvider: WebChooser}
	if root == nil {
		config.Providers = Presets()
		return config, nil
	}
	var chosen *yaml.Node
	// Before the providers, wherever it stands. What cannot be used is found below.
	if send := valueOf(root, "send_access_token"); send != nil {
		_ = boolMember(&config.SendAccessToken)(send)
	}
	reader := providerReader{sendAccessToken: config.SendAccessToken, checkCAFile: checkCAFile, taken: map[string]bool{}}
	err = readMapping(root, "config.yml", []member{
		{"default_provider", func(n *yaml.Node) (err error) {
			chosen = n
			config.DefaultProvider, err = readString(n)
			return err
		}},
		{"flow", flowMember(&config.Flow)},
		{"agent_lifetime", parsedMember(config.AgentLifetime.Set)},
		{"send_access_token", boolMember(&config.SendAccessToken)},
		{"providers", func(n *yaml.Node) (err error) {
			config.Providers, err = reader.readList(n)
			return err
		}},
	})
	if err != nil {
		return nil, err
	}
	if config.Providers == nil {
		config.Providers = Presets()
		for i := range config.Providers {
			config.Providers[i].SendAccessToken = config.SendAccessToken
		}
	}
	if strings.EqualFold(config.DefaultProvider, WebChooser) {
		config.DefaultProvider = WebChooser
		return config, nil
	}
	if _, err := Find(config.Providers, config.DefaultProvider); err != nil {
		detail := fmt.Sprintf("default_provider: expected %s or an alias of a provider, got %q", WebChooser, config.DefaultProvider)
		return nil, &ConfigError{Line: chosen.Line, Member: "default_provider", Detail: detail}
	}
	return config, nil
}

// providerReader reads the list of providers.
type providerReader struct {
	sendAccessToken bool // of those that do not say it
	checkCAFile     func(name string) error
	taken           map[string]bool // aliases
}

func (r *providerReader) readList(n *yaml.Node) ([]Provider, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, errors.New("expected a list of providers, or the member left out for the presets")
	}
	var providers []Provider
	var errs []error
	for _, entry := range n.Content {
		p, err := r.read(resolve(entry))
		providers = append(providers, p)
		if err != nil {
			errs = append(errs, err)
		}
		if len(errs) == maxConfigErrors {
			break
		}
	}
	return providers, errors.Join(errs...)
}

func (r *providerReader) read(n *yaml.Node) (Provider, error) {
	p := defaultProvider()
	p.SendAccessToken = r.sendAccessToken
	text := func(field *string, checks ...func(string) error) func(*yaml.Node) error {
		return func(n *yaml.Node) (err error) {
			if *field, err = readString(n); err != nil {
				return err
			}
			for _, check := range checks {
				if err := check(*field); err != nil {
					return err
				}
			}
			return nil
		}
	}
	err := readMapping(n, "a provider", []member{
		{"alias", func(n *yaml.Node) error {
			names, err := readString(n)
			if err == nil {
				p.Aliases, err = parseAliases(names, r.taken)
			}
			return err
		}},
		{"issuer", text(&p.Issuer, idp.CheckIssuer)},
		{"client_id", text(&p.ClientID, checkClientID)},
		{"client_secret", text(&p.ClientSecret)},
		{"scopes", func(n *yaml.Node) (err error) {
			if p.Scopes, err = readScopes(n); err == nil {
				err = checkScopes(p.Scopes)
			}
			return err
		}},
		{"access_type", text(&p.AccessType)},
		{"prompt", text(&p.Prompt)},
		{"redirect_uris", func(n *yaml.Node) (err error) {
			if p.RedirectURIs, err = readList(n); err != nil {
				return err
			}
			for _, uri := range p.RedirectURIs {
				if err := checkRedirectURI(uri); err != nil {
					return err
				}
			}
			return nil
		}},
		{"remote_redirect_uri", text(&p.RemoteRedirectURI, func(uri string) error {
			if uri == "" {
				return nil
			}
			return checkRemoteRedirectURI(uri)
		})},
		{"send_access_token", boolMember(&p.SendAccessToken)},
		{"ca_file", text(&p.CAFile, func(name string) error {
			if name == "" {
				return nil
			}
			return r.checkCAFile(name)
		})},
		{"flow", flowMember(&p.Flow)},
		{"key_binding", boolMember(&p.KeyBinding)},
		{"hosts", hostsMember(&p.Hosts)},
		{"refresh", boolMember(&p.Refresh)},
		{"expires_in", parsedMember(p.ExpiresIn.Set)},
		{"add_to_agent", parsedMember(p.AddToAgent.Set)},
		{"agent_confirm", boolMember(&p.AgentConfirm)},
	})
	if err != nil {
		return Provider{}, err
	}
	for _, required := range []struct {
		name   string
		absent bool
	}{
		{"alias", len(p.Aliases) == 0},
		{"issuer", p.Issuer == ""},
		{"client_id", p.ClientID == ""},
	} {
		if required.absent {
			return Provider{}, &ConfigError{Line: n.Line, Member: required.name, Detail: "provider without " + required.name}
		}
	}
	if err := p.checkKeyName(); err != nil {
		return Provider{}, &ConfigError{Line: n.Line, Member: "hosts", Detail: err.Error()}
	}
	return p, nil
}

func boolMember(field *bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Decode(field) != nil {
			return errors.New("expected true or false")
		}
		return nil
	}
}

func flowMember(field *FlowKind) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		name, err := readString(n)
		if err == nil {
			*field, err = ParseFlowKind(name)
		}
		return err
	}
}

// parsedMember hands a scalar, as it is written, to a parser.
func parsedMember(set func(string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		text, err := readString(n)
		if err != nil {
			return err
		}
		return set(text)
	}
}

// readScopes takes one string with blanks between the scopes, or a list.
func readScopes(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.SequenceNode {
		return readList(n)
	}
	text, err := readString(n)
	return strings.Fields(text), err
}

func readList(n *yaml.Node) ([]string, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, errors.New("expected a list with at least one entry")
	}
	var list []string
	for _, entry := range n.Content {
		s, err := readString(resolve(entry))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// readString takes a scalar as it is written, as a client ID may look like a number.
func readString(n *yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode {
		switch n.ShortTag() {
		case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
			return n.Value, nil
		}
	}
	return "", errors.New("expected one string")
}

// member is a name that a mapping may have, and what to do with its value.
type member struct {
	name string
	read func(value *yaml.Node) error
}

// readMapping hands the values to the members. A member without a value counts as left out. Every error is a [*ConfigError], or several
// joined.
func readMapping(n *yaml.Node, what string, members []member) error {
	if n.Kind != yaml.MappingNode {
		return &ConfigError{Line: n.Line, Detail: what + ": expected members with values"}
	}
	seen := map[string]int{}
	var errs []error
	for i := 0; i+1 < len(n.Content) && len(errs) < maxConfigErrors; i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		name, line := key.Value, n.Content[i].Line
		at := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		first, double := seen[name]
		switch {
		case key.Kind != yaml.ScalarNode || at < 0:
			errs = append(errs, &ConfigError{Line: line, Member: name, Detail: unknownMember(name, what, members)})
			continue
		case double:
			errs = append(errs, &ConfigError{Line: line, Member: name, Detail: fmt.Sprintf("%s is there twice, first in line %d", name, first)})
			continue
		}
		seen[name] = line
		if value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" {
			continue
		}
		if err := members[at].read(value); err != nil {
			if inner := (*ConfigError)(nil); !errors.As(err, &inner) {
				err = &ConfigError{Line: n.Content[i+1].Line, Member: name, Detail: name + ": " + err.Error()}
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// valueOf is that of a mapping's member, or nil.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if resolve(n.Content[i]).Value == name {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

func unknownMember(name, what string, members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	detail := fmt.Sprintf("%s has no member %q", what, printable(name, 100))
	if nearest := nearestName(name, names); nearest != "" {
		return detail + ", did you mean " + nearest
	}
	return detail + ", expected one of " + strings.Join(names, ", ")
}

// parseYAML gives the root of the one document, nil if there is nothing in it.
func parseYAML(data []byte) (*yaml.Node, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("expected at most %d bytes, got %d", maxConfig, len(data))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &ConfigError{Line: second.Line, Detail: "expected one YAML document, got a second one"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(err)
	}
	root := resolve(document.Content[0])
	if !writtenOut(root, len(data)) {
		return nil, &ConfigError{Line: root.Line, Detail: "the aliases stand for more than the whole file holds: write the values out"}
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return root, nil
}

// syntaxError takes the line out of the library's text, which is the only place where it is.
func syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, detail, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			return &ConfigError{Line: line, Detail: detail}
		}
	}
	return &ConfigError{Detail: text}
}

// writtenOut is whether a document has at most as many nodes where each alias is replaced by what it stands for. A document
// without aliases has no more nodes than bytes.
func writtenOut(root *yaml.Node, most int) bool {
	count := 1
	for todo := []*yaml.Node{root}; len(todo) > 0; {
		last := len(todo) - 1
		content := resolve(todo[last]).Content
		if count += len(content); count > most {
			return false
		}
		todo = append(todo[:last], content...)
	}
	return true
}

// resolve follows a YAML alias. An alias of an alias cannot be written.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
