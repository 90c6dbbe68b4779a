package hostcli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
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

// Configuration reads providers and auth_id and what stands in their drop-in folders. A row that cannot be used harms only itself, and
// so does a file that is not to be trusted, but for those whom one of its rules would let in: see [policy.Rule]. What is left out is
// logged. There is no configuration while the machine cannot read a file: see [hostfiles.Unavailable].
func (s *hostSource) Configuration(_ context.Context, user string) (*sshauth.Configuration, error) {
	c := &sshauth.Configuration{Policy: &policy.Policy{Config: s.config}}
	s.eachFile("providers", func(f hostfiles.File) []policy.Problem {
		rows, problems := policy.ParseProviders(f.Path, f.Data)
		c.Providers = append(c.Providers, rows...)
		return problems
	})
	var problems []policy.Problem
	for _, f := range s.hostRows("auth_id", func(line []byte) bool { return policy.MaybeRuleFor(line, user) }) {
		if f.fault != nil {
			c.Policy.System = append(c.Policy.System, f.doubtfulRules(user)...)
			continue
		}
		rules, more := policy.ParseRulesFor(f.Path, f.Data, user)
		c.Policy.System = append(c.Policy.System, rules...)
		problems = append(problems, more...)
	}
	s.logProblems(filepath.Join(s.folder, "auth_id"), problems)
	if s.unavailable != nil {
		return nil, s.unavailable
	}
	if s.config.HomePolicy && !s.files.untrusted {
		c.Home = func(ctx context.Context) []policy.Rule { return s.homeRules(ctx, user) }
	}
	return c, nil
}

// maxProblems bounds what one login logs about rows that cannot be used, and about files: `audit` lists them all.
const maxProblems = 20

// eachFile parses the files of rows that count.
func (s *hostSource) eachFile(name string, parse func(hostfiles.File) []policy.Problem) {
	var problems []policy.Problem
	for _, f := range s.hostRows(name, nil) {
		if f.fault == nil {
			problems = append(problems, parse(f.File)...)
		}
	}
	s.logProblems(filepath.Join(s.folder, name), problems)
}

// hostRows is [reader.hostRows], with the faults logged.
func (s *hostSource) hostRows(name string, keep func(line []byte) bool) []rowsFile {
	files := s.files.hostRows(s.folder, name, keep)
	said := map[string]bool{}
	var faults []error
	for _, f := range files {
		if f.fault == nil || said[f.fault.Error()] {
			continue
		}
		said[f.fault.Error()] = true
		faults = append(faults, f.fault)
		if hostfiles.Unavailable(f.fault) {
			s.unavailable = f.fault
		}
	}
	logLeftOut(s.log.Warn, filepath.Join(s.folder, name), faults)
	return files
}

// logLeftOut logs why files are left out, of one kind or in one place.
func logLeftOut(warn func(message string, args ...any), place string, faults []error) {
	for _, fault := range faults[:min(len(faults), maxProblems)] {
		warn(fileLeftOut, faultAttributes(fault)...)
	}
	if more := len(faults) - maxProblems; more > 0 {
		warn("more files left out", "file", place, "number", more)
	}
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
		return faultHint(fault)
	case errors.As(err, &exit):
		return exit.hint
	}
	return ""
}

// faultHint is what to do about a file that cannot be used. Of one that is closed to this process, package hostfiles says how to give it to the
// process's own group: that is right for the user that sshd runs the verifier as, and would lock everybody out for the sake of another one.
func faultHint(fault *hostfiles.Fault) string {
	if !isAccessFault(fault) || isCommandUser("", "") {
		return fault.Hint
	}
	return "as root: verifier permissions fix"
}

// isAccessFault is whether a file may not be read by this process, and nothing else is wrong with it.
func isAccessFault(err error) bool {
	var fault *hostfiles.Fault
	return errors.As(err, &fault) && fault.Detail == "access" || errors.Is(err, fs.ErrPermission)
}

// closedToUs is whether err says that the host's files may not be read by the ordinary user who runs this. They need not be: only the
// verifier's user has to.
func closedToUs(err error) bool { return closedUnlessFor(err, "", "") }

// closedUnlessFor is [closedToUs] where the verifier's user may be named, or in another sshd_config.
func closedUnlessFor(err error, commandUser, sshdConfig string) bool {
	return os.Geteuid() != 0 && isAccessFault(err) && !isCommandUser(commandUser, sshdConfig)
}

const runAsRoot = "run it as root"

// closedError is all that an ordinary user is told of a folder that is closed to them: nothing is wrong with it.
func closedError(configDir string) error {
	return &exitError{text: configDir + " is closed to you: only root and the verifier's user read the host's files", hint: runAsRoot, code: exitRefused}
}
