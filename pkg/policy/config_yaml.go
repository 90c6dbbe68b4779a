package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ConfigError is every error of [ParseConfig].
type ConfigError struct {
	File         string
	Line, Column int // from 1; 0 if unknown
	Detail       string
	Others       []*ConfigError // what else is wrong with the file, in its order, up to a limit
}

// All is the error itself, and the others.
func (e *ConfigError) All() []*ConfigError { return append([]*ConfigError{e}, e.Others...) }

// maxConfigErrors is what one person mends at a time. In a file that is something else, every line is wrong.
const maxConfigErrors = 20

// Error gives file:line: detail.
func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Detail
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Detail)
}

// asConfigError is the first of the errors that r gave, with the others.
func asConfigError(err error) *ConfigError {
	all := flatten(nil, err)
	all = all[:min(len(all), maxConfigErrors)]
	first := *all[0]
	first.Others = all[1:]
	return &first
}

func flatten(all []*ConfigError, err error) []*ConfigError {
	switch err := err.(type) {
	case *ConfigError:
		return append(all, err)
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			all = flatten(all, inner)
		}
	}
	return all
}

// The parser has no type for its errors, only this text in front of them. It leaves it out for the first line.
var yamlPosition = lazyRegexp(`^yaml: (?:line ([0-9]+): )?`)

// parseYAML gives the one document of a file, or nil for an empty one.
func parseYAML(file string, data []byte) (*yaml.Node, error) {
	if len(data) > MaxConfigSize {
		return nil, &ConfigError{File: file, Detail: fmt.Sprintf("expected at most %d bytes, got %d", MaxConfigSize, len(data))}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(file, err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &ConfigError{File: file, Line: second.Line, Column: second.Column, Detail: "expected one document, got several"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(file, err)
	}
	if len(document.Content) != 1 || isNull(document.Content[0]) {
		return nil, nil
	}
	return document.Content[0], nil
}

// syntaxError says where the parser stopped. Its count of lines is one short for some faults.
func syntaxError(file string, err error) *ConfigError {
	e := &ConfigError{File: file, Line: 1, Detail: err.Error()}
	if position := yamlPosition().FindStringSubmatch(e.Detail); position != nil {
		e.Detail = e.Detail[len(position[0]):]
		if line, err := strconv.Atoi(position[1]); err == nil {
			e.Line = line
		}
	}
	e.Detail = "not YAML, here or on the next line: " + e.Detail
	return e
}

// isNull is a member without a value, which stands for its default.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && plain(n)
}

// plain nodes have no anchor and no tag of their own.
func plain(n *yaml.Node) bool {
	return n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

// yamlReader makes functions that read a node into a variable. They go on after an error; what they give is each a [*ConfigError], or
// several joined.
type yamlReader struct{ file string }

func (r yamlReader) fail(n *yaml.Node, format string, args ...any) error {
	return &ConfigError{File: r.file, Line: n.Line, Column: n.Column, Detail: fmt.Sprintf(format, args...)}
}

func (r yamlReader) expect(n *yaml.Node, kind yaml.Kind) error {
	names := map[yaml.Kind]string{
		yaml.MappingNode: "members", yaml.SequenceNode: "a list", yaml.ScalarNode: "one value", yaml.AliasNode: "an alias",
	}
	switch {
	case !plain(n):
		return r.fail(n, "anchors and tags are not used here")
	case n.Kind != kind:
		return r.fail(n, "expected %s, got %s", names[kind], names[n.Kind])
	}
	return nil
}

// pairs reads a mapping, whose keys must differ.
func (r yamlReader) pairs(read func(key, value *yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if isNull(n) {
			return nil
		}
		if err := r.expect(n, yaml.MappingNode); err != nil {
			return err
		}
		seen := map[string]bool{}
		var errs []error
		for i := 0; i+1 < len(n.Content) && len(errs) < maxConfigErrors; i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			err := r.expect(key, yaml.ScalarNode)
			switch {
			case err != nil:
			case seen[key.Value]:
				err = r.fail(key, "%s stands twice", quoteShort(key.Value))
			default:
				seen[key.Value] = true
				err = read(key, value)
			}
			if err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
}

// members reads a mapping with known keys.
func (r yamlReader) members(known map[string]func(*yaml.Node) error) func(*yaml.Node) error {
	return r.pairs(func(key, value *yaml.Node) error {
		read, ok := known[key.Value]
		if !ok {
			return r.fail(key, "%s", unknownName("member", key.Value, slices.Sorted(maps.Keys(known))))
		}
		if isNull(value) {
			return nil
		}
		return read(value)
	})
}

func (r yamlReader) mapping(n *yaml.Node, known map[string]func(*yaml.Node) error) error {
	if err := r.expect(n, yaml.MappingNode); err != nil {
		return err
	}
	return r.members(known)(n)
}

func (r yamlReader) each(read func(*yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := r.expect(n, yaml.SequenceNode); err != nil {
			return err
		}
		var errs []error
		for _, element := range n.Content {
			if err := read(element); err != nil {
				errs = append(errs, err)
			}
			if len(errs) == maxConfigErrors {
				break
			}
		}
		return errors.Join(errs...)
	}
}

// text takes the value as it is written, also one that YAML would read as a number: `sub: 0123` is no 83.
func (r yamlReader) text(into *string, check func(string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := r.expect(n, yaml.ScalarNode); err != nil {
			return err
		}
		if n.ShortTag() == "!!null" {
			return r.fail(n, "expected a text, got none")
		}
		if detail := unreadable(n.Value); detail != "" {
			return r.fail(n, "%s", detail)
		}
		if check != nil {
			if err := check(n.Value); err != nil {
				return r.fail(n, "%s", err)
			}
		}
		*into = n.Value
		return nil
	}
}

// names reads a list of names, without the blanks around them.
func (r yamlReader) names(into *[]DenyName, check func(string) error) func(*yaml.Node) error {
	return r.each(func(n *yaml.Node) error {
		var name string
		if err := r.text(&name, func(s string) error { return check(strings.TrimSpace(s)) })(n); err != nil {
			return err
		}
		*into = append(*into, DenyName{Name: strings.TrimSpace(name), Line: n.Line})
		return nil
	})
}

func (r yamlReader) boolean(into *bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := r.expect(n, yaml.ScalarNode); err != nil {
			return err
		}
		if n.ShortTag() != "!!bool" {
			return r.fail(n, "expected true or false, got %s", quoteShort(n.Value))
		}
		*into = equalFoldASCII(n.Value, "true")
		return nil
	}
}

func (r yamlReader) duration(into *time.Duration) func(*yaml.Node) error {
	return r.text(new(string), func(s string) (err error) {
		*into, err = parseDuration(s)
		return err
	})
}
