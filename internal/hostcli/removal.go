package hostcli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// removal takes rules out of all files that have them.
type removal struct {
	*ruleOptions
	wanted         func(policy.Rule) bool
	asked          ruleReport // what is said where no rule is wanted
	stdout, stderr io.Writer

	reports []ruleReport
	failed  []error // one for each file that could not be edited
}

func (r *removal) run(ctx context.Context, home bool) error {
	log := &findings{}
	files, err := r.files(ctx, home, log)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := r.removeFrom(file); err != nil {
			return err
		}
	}
	if len(r.reports)+len(r.failed) == 0 {
		r.asked.DryRun = r.dryRun
		r.reports = append(r.reports, r.asked)
		if err := r.print(r.stdout, r.stderr, "", nil, r.reports); err != nil {
			return err
		}
	}
	if !r.dryRun && slices.ContainsFunc(r.reports, func(done ruleReport) bool { return done.Result == "removed" }) {
		_, _ = fmt.Fprintln(r.stderr, "hint: sessions that are open go on until you end them")
	}
	if !home {
		for _, text := range sshdRemarks(ctx, r.configDir) {
			_, _ = fmt.Fprintln(r.stderr, printable.Text(text))
		}
	}
	if r.json {
		if err := writeRuleReports(r.stdout, r.reports); err != nil {
			return err
		}
	}
	return r.end(log)
}

// fileWithRules is a file of rules as it was when it was looked through.
type fileWithRules struct {
	ruleFile
	rules []policy.Rule // that are wanted
}

// files are those that may have rules to remove. What is left out is in log.
func (r *removal) files(ctx context.Context, home bool, log *findings) ([]fileWithRules, error) {
	if home {
		account, err := homeAccount(ctx, r.asked.Principal)
		if err != nil {
			return nil, err
		}
		r.asked.File = account.HomeFile()
		return []fileWithRules{{ruleFile: ruleFile{path: r.asked.File, home: account}}}, nil
	}
	if _, err := readConfig(r.configDir); closedToUs(err) {
		return nil, closedError(r.configDir)
	}
	r.asked.File = r.configDir
	reader := newFolderReader(ctx, r.configDir)
	var files []fileWithRules
	for _, f := range ruleFiles(r.configDir, log) {
		rules, _ := policy.ParseRules(f.Path, f.Data)
		rules = slices.DeleteFunc(rules, func(rule policy.Rule) bool { return !r.wanted(rule) })
		if len(rules) > 0 {
			files = append(files, fileWithRules{ruleFile{path: f.Path, reader: reader}, rules})
		}
	}
	return files, nil
}

// removeFrom edits one file, and says what was done. That it cannot be edited is kept in failed: the other files are edited nevertheless.
func (r *removal) removeFrom(file fileWithRules) error {
	var reports []ruleReport
	report := func(result string, rules []policy.Rule) {
		reports = nil
		for _, rule := range rules {
			report := newRuleReport(result, rule)
			report.DryRun = r.dryRun
			reports = append(reports, report)
		}
	}
	changes, err := file.edit(r.dryRun, func(data []byte) ([]byte, error) {
		edited, removed := policy.RemoveRules(file.path, data, r.wanted)
		report("removed", removed)
		return edited, nil
	})
	if err != nil {
		r.failed = append(r.failed, ruleFileError(err))
		changes = nil
		report("left", file.rules)
	}
	r.reports = append(r.reports, reports...)
	return r.print(r.stdout, r.stderr, file.path, changes, reports)
}

// end is the error of the command: the first failure, behind the others and the files that were left out.
func (r *removal) end(log *findings) error {
	leftOut := incomplete(log.all, r.stderr)
	if len(r.failed) == 0 {
		return leftOut
	}
	for _, err := range r.failed[1:] {
		_, _ = fmt.Fprintln(r.stderr, printable.Text(err.Error()))
	}
	return r.failed[0]
}
