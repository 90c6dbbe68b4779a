package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// read reads what a login reads, with the same parsers, for all users at once.
func (a *auditor) read() {
	a.config, a.configErr = readConfig(a.configDir)
	if a.configErr != nil {
		a.config = policy.DefaultConfig()
		a.closed = a.closedToUs(a.configErr)
	}
	a.readRows("providers", func(f hostfiles.File) []policy.Problem {
		rows, problems := policy.ParseProviders(f.Path, f.Data)
		a.providers = append(a.providers, rows...)
		return problems
	})
	a.readRows("auth_id", func(f hostfiles.File) []policy.Problem {
		rules, problems := policy.ParseRules(f.Path, f.Data)
		a.rules = append(a.rules, rules...)
		return problems
	})
	a.readCertificates()
}

func (a *auditor) readRows(name string, parse func(hostfiles.File) []policy.Problem) {
	for _, f := range (reader{}).hostRows(a.configDir, name, nil) {
		if a.closedToUs(f.fault) {
			a.closed = true
			continue
		}
		if f.fault != nil {
			a.fileFinds = append(a.fileFinds, faultFinding(f.fault, f.consequence(name)))
			continue
		}
		for _, p := range parse(f.File) {
			a.fileFinds = append(a.fileFinds, auditFinding{
				Code: codeRowUnusable, Severity: policy.SeverityError, File: p.File, Line: p.Line, Column: p.Column, Text: "the row is left out: " + p.Detail,
			})
		}
	}
}

// consequence is what a login makes of the file's fault.
func (f *rowsFile) consequence(name string) string {
	switch {
	case name != "auth_id":
		return "what it says does not count"
	case f.unread:
		return "nobody is let in by it, by a file behind it, by home rules or by a plugin, since it may hold a rule that comes first"
	}
	return "it lets nobody in, and whom its rules fit first is refused"
}

// faultFinding is about a file that a login does not read.
func faultFinding(err error, so string) auditFinding {
	f := auditFinding{Code: codeFileUnreadable, Severity: policy.SeverityError, Text: err.Error() + ": " + so}
	var fault *hostfiles.Fault
	var path *fs.PathError
	switch {
	case errors.As(err, &fault):
		f.Code, f.File, f.Hint = codeFileUntrusted, fault.Path, faultHint(fault)
		f.Text = fault.Detail + ": expected " + fault.Expected + ", got " + fault.Got + ": " + so
	case errors.As(err, &path):
		f.File, f.Text = path.Path, path.Err.Error()+": "+so
		if errors.Is(err, fs.ErrPermission) {
			f.Hint = runAsRoot
		}
	}
	return f
}

func (a *auditor) checkFiles(context.Context) {
	var wrong *policy.ConfigError
	switch {
	case errors.As(a.configErr, &wrong):
		for _, e := range wrong.All() {
			a.add(auditFinding{
				Code: codeConfigUnusable, Severity: policy.SeverityError, File: e.File, Line: e.Line, Text: "nobody can log in: " + e.Detail,
				Hint: "mend config.yml",
			})
		}
	case a.configErr != nil && !a.closedToUs(a.configErr):
		f := faultFinding(a.configErr, "nobody can log in")
		f.Code = codeConfigUnusable
		a.add(f)
	}
	if a.closed {
		a.sayClosed()
	}
	for _, f := range a.fileFinds {
		a.add(f)
	}
	a.checkConfigSize()
	for _, unread := range unreadNames(a.configDir) {
		a.add(auditFinding{Code: codeFileNotRead, Severity: policy.SeverityWarning, File: unread.path, Text: unread.detail, Hint: unread.hint})
	}
}

// closedToUs is the function of that name for who the flags say sshd runs the verifier as.
func (a *auditor) closedToUs(err error) bool {
	return closedUnlessFor(err, a.commandUser, a.sshdConfig)
}

// sayClosed: nothing is wrong with a folder that is closed to an ordinary user, and nothing is known to be right.
func (a *auditor) sayClosed() {
	closed := closedError(a.configDir)
	a.warning(codeFileUnreadable, closed.Error()+": what they say cannot be seen", hintOf(closed))
}

// nearlyFull is what to say of a config.yml of so many bytes that has little room left, or "".
func nearlyFull(size int) string {
	if size < policy.MaxConfigSize/4*3 || size > policy.MaxConfigSize {
		return ""
	}
	return fmt.Sprintf("it has %d of at most %d bytes: a larger one is not read, and keeps everyone out", size, policy.MaxConfigSize)
}

func (a *auditor) checkConfigSize() {
	path := filepath.Join(a.configDir, "config.yml")
	info, err := os.Stat(path)
	if err != nil {
		return // said already, or there is none
	}
	if text := nearlyFull(int(info.Size())); text != "" {
		a.add(auditFinding{
			Code: codeConfigSize, Severity: policy.SeverityWarning, File: path, Text: text,
			Hint: "take out entries that nobody needs any more, or deny by a claim that many have in common",
		})
	}
}

func (a *auditor) checkRules(context.Context) {
	if a.skipped = a.closed; a.skipped {
		return // nobody knows what is missing
	}
	lint := &policy.Lint{Config: a.config, Providers: a.providers, Rules: a.rules, Now: a.now}
	for _, f := range lint.Findings() {
		if f.File == "" {
			f.File = filepath.Join(a.configDir, "auth_id")
			if f.Code == policy.FindingNoProviders {
				f.File = filepath.Join(a.configDir, "providers")
			}
		}
		a.add(lintFinding(f))
	}
}

func lintFinding(f policy.Finding) auditFinding {
	return auditFinding{Code: string(f.Code), Severity: f.Severity, File: f.File, Line: f.Line, Text: f.Detail, Hint: f.Hint}
}

// mayBeRequired is what follows from a file of policy.d that cannot be used, unless it is surely not required.
const mayBeRequired = "nobody can log in, since it may be a plugin whose consent is required"

// checkPrograms looks at what a login would run.
func (a *auditor) checkPrograms(context.Context) {
	a.skipped = a.closed
	files, faults := reader{}.folder(filepath.Join(a.configDir, "policy.d"), ".yml")
	for _, fault := range faults {
		if a.closedToUs(fault) {
			if !a.closed { // else it is said already
				a.sayClosed()
			}
			continue
		}
		f := faultFinding(fault, mayBeRequired)
		f.Code = codePluginUnusable
		a.add(f)
	}
	for _, file := range files {
		plugin, err := policy.ParsePlugin(file.Path, file.Data)
		if err != nil {
			var wrong *policy.ConfigError
			if !errors.As(err, &wrong) {
				wrong = &policy.ConfigError{File: file.Path, Detail: err.Error()}
			}
			so := "it is not asked"
			if policy.MayRequirePlugin(file.Data) {
				so = mayBeRequired
			}
			for _, e := range wrong.All() {
				a.add(auditFinding{Code: codePluginUnusable, Severity: policy.SeverityError, File: e.File, Line: e.Line, Text: e.Detail + ": " + so})
			}
			continue
		}
		if _, err := hostfiles.SystemProgram(plugin.Command[0]); err != nil {
			a.add(programFinding(codePluginProgram, plugin.File, plugin.Line, err))
		}
	}
	for _, command := range a.config.Chain {
		if _, err := hostfiles.SystemProgram(command[0]); err != nil {
			a.add(programFinding(codeChainProgram, a.config.File, 0, err))
		}
	}
}

// programFinding is about a program that a login does not run.
func programFinding(code, file string, line int, err error) auditFinding {
	f := auditFinding{Code: code, Severity: policy.SeverityError, File: file, Line: line, Text: "it is not run: " + err.Error()}
	var fault *hostfiles.Fault
	if errors.As(err, &fault) {
		f.Hint = faultHint(fault)
	}
	return f
}
