package demo

import (
	"errors"
	"fmt"

	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// The names that messages give to the host's files, which are in memory here.
const (
	providersFile = "providers"
	rulesFile     = "auth_id"
)

// readPolicy reads the two files of a host. A row that cannot be used is an error here, since the demo wrote it.
func readPolicy(providers, rules string) (*sshauth.StaticSource, error) {
	rows, problems := policy.ParseProviders(providersFile, []byte(providers))
	system, more := policy.ParseRules(rulesFile, []byte(rules))
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, errors.New(problems[0].String())
	}
	if len(rows) == 0 || len(system) == 0 {
		return nil, fmt.Errorf("expected rows in %s and %s, got %d and %d", providersFile, rulesFile, len(rows), len(system))
	}
	return &sshauth.StaticSource{Providers: rows, Policy: &policy.Policy{System: system}}, nil
}
