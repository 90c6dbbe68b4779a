package hostcli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// read reads what a login reads, with the same parsers, for all users at once.
func (a *auditor) read() {
	a.config, a.configErr = readConfig(a.configDir)
	if a.configErr != nil {
		a.config = policy.DefaultConfig()
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
}

func (a *auditor) readRows(name string, parse func(hostfiles.File) []policy.Problem) {
	found := readHostRows(a.configDir, name, parse)
	for _, fault := range found.faults {
		a.fileFinds = append(a.fileFinds, faultFinding(fault, "what it says does not count"))
	}
	for _, p := range found.problems {
		a.fileFinds = append(a.fileFinds, auditFinding{
			Code: codeRowUnusable, Severity: policy.SeverityError, File: p.File, Line: p.Line, Column: p.Column, Text: "the row is left out: " + p.Detail,
		})
	}
}

// leftOut is what a login would leave out of a file and its drop-in folder.
type leftOut struct {
	faults   []error
	problems []policy.Problem
}

// readHostRows reads a file and its drop-in folder in the order of a login.
func readHostRows(folder, name string, parse func(hostfiles.File) []policy.Problem) (out leftOut) {
	files, faults := reader{}.folder(filepath.Join(folder, name+".d"), ".conf", nil)
	path := filepath.Join(folder, name)
	switch data, err := (reader{}).file(path, nil); {
	case err == nil:
		files = append([]hostfiles.File{{Path: path, Data: data}}, files...)
	case !errors.Is(err, fs.ErrNotExist):
		faults = append(faults, err)
	}
	out.faults = faults
	for _, f := range files {
		out.problems = append(out.problems, parse(f)...)
	}
	return out
}

// readHostProviders are the rows of providers that a login would take.
func readHostProviders(folder string) (rows []pktoken.Provider) {
	readHostRows(folder, "providers", func(f hostfiles.File) []policy.Problem {
		more, problems := policy.ParseProviders(f.Path, f.Data)
		rows = append(rows, more...)
		return problems
	})
	return rows
}

// faultFinding is about a file that a login does not read.
func faultFinding(err error, so string) auditFinding {
	f := auditFinding{Code: codeFileUnreadable, Severity: policy.SeverityError, Text: err.Error() + ": " + so}
	var fault *hostfiles.Fault
	var path *fs.PathError
	switch {
	case errors.As(err, &fault):
		f.Code, f.File, f.Hint = codeFileUntrusted, fault.Path, fault.Hint
		f.Text = fault.Detail + ": expected " + fault.Expected + ", got " + fault.Got + ": " + so
	case errors.As(err, &path):
		f.File, f.Text = path.Path, path.Err.Error()+": "+so
		if errors.Is(err, fs.ErrPermission) {
			f.Hint = "run it as root"
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
	case a.configErr != nil:
		f := faultFinding(a.configErr, "nobody can log in")
		f.Code = codeConfigUnusable
		a.add(f)
	}
	for _, f := range a.fileFinds {
		a.add(f)
	}
}

func (a *auditor) checkRules(context.Context) {
	lint := &policy.Lint{Config: a.config, Providers: a.providers, Rules: a.rules, Now: a.now}
	for _, f := range lint.Findings() {
		if f.File == "" {
			f.File = filepath.Join(a.configDir, "auth_id")
			if f.Code == policy.FindingNoProviders {
				f.File = filepath.Join(a.configDir, "providers")
			}
		}
		a.add(auditFinding{Code: string(f.Code), Severity: f.Severity, File: f.File, Line: f.Line, Text: f.Detail, Hint: f.Hint})
	}
}

// checkPrograms looks at what a login would run.
func (a *auditor) checkPrograms(context.Context) {
	files, faults := reader{}.folder(filepath.Join(a.configDir, "policy.d"), ".yml", nil)
	for _, fault := range faults {
		f := faultFinding(fault, "nobody can log in, since it may be a plugin whose consent is required")
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
			for _, e := range wrong.All() {
				a.add(auditFinding{Code: codePluginUnusable, Severity: policy.SeverityError, File: e.File, Line: e.Line, Text: e.Detail})
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
		f.Hint = fault.Hint
	}
	return f
}
