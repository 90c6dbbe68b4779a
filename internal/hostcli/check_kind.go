package hostcli

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"opkssh/pkg/policy"
)

// fileKind is a kind of file that hosts have.
type fileKind struct {
	name  string // as --as has it
	check func(file string, data []byte) []policy.Problem
	found func(data []byte) bool // whether this is what the content says
}

var fileKinds = []fileKind{
	{
		"providers",
		func(file string, data []byte) []policy.Problem {
			_, problems := policy.ParseProviders(file, data)
			return problems
		},
		func(data []byte) bool {
			rows, _ := policy.ParseProviders("", data)
			return len(rows) > 0
		},
	},
	{
		"auth_id",
		func(file string, data []byte) []policy.Problem {
			_, problems := policy.ParseRules(file, data)
			return problems
		},
		func(data []byte) bool {
			rules, _ := policy.ParseRules("", data)
			return len(rules) > 0
		},
	},
	yamlKind("tests", func(file string, data []byte) error {
		_, err := policy.ParseExpectations(file, data)
		return err
	}),
	yamlKind("policy.d", func(file string, data []byte) error {
		_, err := policy.ParsePlugin(file, data)
		return err
	}),
	yamlKind("config", func(file string, data []byte) error {
		_, err := policy.ParseConfig(file, data)
		return err
	}),
}

// yamlKind is a kind whose files count as a whole or not at all.
func yamlKind(name string, parse func(file string, data []byte) error) fileKind {
	return fileKind{
		name,
		func(file string, data []byte) []policy.Problem {
			err := parse(file, data)
			var wrong *policy.ConfigError
			switch {
			case errors.As(err, &wrong):
				var problems []policy.Problem
				for _, e := range wrong.All() {
					problems = append(problems, policy.Problem{File: e.File, Line: e.Line, Column: e.Column, Detail: e.Detail})
				}
				return problems
			case err != nil:
				return []policy.Problem{{File: file, Detail: err.Error()}}
			}
			return nil
		},
		func(data []byte) bool { return strings.Contains(string(data), ":") && parse("", data) == nil },
	}
}

func kindNames() string {
	names := make([]string, len(fileKinds))
	for i, kind := range fileKinds {
		names[i] = kind.name
	}
	return strings.Join(names, ", ")
}

func findKind(name string) (kind fileKind, ok bool) {
	i := slices.IndexFunc(fileKinds, func(k fileKind) bool { return k.name == name })
	if i < 0 {
		return kind, false
	}
	return fileKinds[i], true
}

// guessKind goes by the names that files have on hosts, else by what the content can be read as. A file that is only half right under
// another name is not guessed at.
func guessKind(path string, data []byte) (kind fileKind, ok bool) {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	folder, base := filepath.Base(filepath.Dir(path)), filepath.Base(path)
	switch {
	case base == "providers" || folder == "providers.d":
		return findKind("providers")
	case base == "auth_id" || folder == "auth_id.d":
		return findKind("auth_id")
	case base == "config.yml":
		return findKind("config")
	case base == "tests.yml":
		return findKind("tests")
	case folder == "policy.d":
		return findKind("policy.d")
	}
	i := slices.IndexFunc(fileKinds, func(k fileKind) bool { return k.found(data) })
	if i < 0 {
		return kind, false
	}
	return fileKinds[i], true
}
