package hostcli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// hostSource reads a host's files for one login: implements [sshauth.Source].
type hostSource struct {
	folder string // /etc/opk
	files  reader
	config *policy.Config
	log    *slog.Logger
	// readHome is the function of that name where it is nil.
	readHome func(ctx context.Context, user string) (*hostfiles.File, error)

	unavailable error // the last file that could not be read for a fault of the machine
}

// Configuration reads providers and auth_id and what stands in their drop-in folders. A file or row that cannot be used
// harms only itself. What is left out is logged. There is no configuration while the machine cannot read a file: see [hostfiles.Unavailable].
func (s *hostSource) Configuration(_ context.Context, user string) (*sshauth.Configuration, error) {
	c := &sshauth.Configuration{Policy: &policy.Policy{Config: s.config}}
	s.eachFile("providers", nil, func(f hostfiles.File) []policy.Problem {
		rows, problems := policy.ParseProviders(f.Path, f.Data)
		c.Providers = append(c.Providers, rows...)
		return problems
	})
	s.eachFile("auth_id", func(line []byte) bool { return policy.MaybeRuleFor(line, user) }, func(f hostfiles.File) []policy.Problem {
		rules, problems := policy.ParseRulesFor(f.Path, f.Data, user)
		c.Policy.System = append(c.Policy.System, rules...)
		return problems
	})
	if s.unavailable != nil {
		return nil, s.unavailable
	}
	if s.config.HomePolicy && !s.files.untrusted {
		c.Home = func(ctx context.Context) []policy.Rule { return s.homeRules(ctx, user) }
	}
	return c, nil
}

// maxProblems bounds what one login logs about rows that cannot be used: `audit` lists them all.
const maxProblems = 20

func (s *hostSource) eachFile(name string, keep func(line []byte) bool, parse func(hostfiles.File) []policy.Problem) {
	files, faults := s.files.folder(filepath.Join(s.folder, name+".d"), ".conf", keep)
	path := filepath.Join(s.folder, name)
	switch data, err := s.files.file(path, keep); {
	case err == nil:
		files = append([]hostfiles.File{{Path: path, Data: data}}, files...)
	case !errors.Is(err, fs.ErrNotExist):
		faults = append(faults, err)
	}
	for _, fault := range faults {
		s.logFault(fault)
		if hostfiles.Unavailable(fault) {
			s.unavailable = fault
		}
	}
	var problems []policy.Problem
	for _, f := range files {
		problems = append(problems, parse(f)...)
	}
	s.logProblems(path, problems)
}

// fileLeftOut is the message about a file that cannot be read or trusted.
const fileLeftOut = "file left out"

func (s *hostSource) logFault(err error) { s.log.Warn(fileLeftOut, faultAttributes(err)...) }

func (s *hostSource) logProblems(path string, problems []policy.Problem) {
	for _, p := range problems[:min(len(problems), maxProblems)] {
		s.log.Warn("row left out", "file", p.File, "line", p.Line, "column", p.Column, "detail", p.Detail)
	}
	if more := len(problems) - maxProblems; more > 0 {
		s.log.Warn("more rows left out", "file", path, "number", more)
	}
}

// readConfig is [reader.config] for the files of a host.
func readConfig(folder string) (*policy.Config, error) { return reader{}.config(folder) }

func faultAttributes(err error) []any {
	attributes := []any{"detail", err.Error()}
	if hint := hintOf(err); hint != "" {
		attributes = append(attributes, "hint", hint)
	}
	return attributes
}

// hintOf is what to do about an error, or "".
func hintOf(err error) string {
	var fault *hostfiles.Fault
	var exit *exitError
	switch {
	case errors.As(err, &fault):
		return fault.Hint
	case errors.As(err, &exit):
		return exit.hint
	}
	return ""
}
