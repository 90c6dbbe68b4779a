package hostcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// checkPermissions says what permissions fix would do. What a login leaves out for it is said by the check of files.
func (a *auditor) checkPermissions(context.Context) {
	if a.skipped = a.account == nil; a.skipped {
		return // whom it would be for is not known: said already
	}
	a.checkMayReadCertificates()
	plan := layoutFor(a.configDir, a.cacheDir, a.account).Plan(false)
	closed := a.checkMayRead(plan)
	for _, c := range plan {
		if closed[c.Path] {
			continue
		}
		said := func(f auditFinding) bool { return f.Code == codeFileUntrusted && f.File == c.Path }
		if slices.ContainsFunc(a.fileFinds, said) {
			continue
		}
		r := newPermissionReport(c, true)
		f := auditFinding{Code: codePermissions, Severity: policy.SeverityWarning, File: c.Path, Text: r.sentence()[len(c.Path)+2:], Hint: c.Hint}
		if c.Problem == "" {
			f.Hint = "verifier permissions fix"
		}
		if c.Kind == "" && os.Geteuid() != 0 {
			// Perhaps it is only that we may not look.
			f.Severity, f.Hint = policy.SeverityNote, runAsRoot
		}
		if c.Kind == hostfiles.ChangeRemove {
			f.Text = "it does not count as a file of the cache: " + c.From
		}
		a.add(f)
	}
}

// checkMayRead says which of the files of a login the user cannot read whom sshd runs the verifier as, with what comes of it, and gives
// their paths. Only what the plan would mend counts inside the folder: an access control list may let the user read what its mode does not.
func (a *auditor) checkMayRead(plan []hostfiles.Change) map[string]bool {
	closed := map[string]bool{}
	say := func(path, got, so, hint string) {
		if !closed[path] {
			closed[path] = true
			a.add(auditFinding{
				Code: codePermissions, Severity: policy.SeverityError, File: path, Hint: hint,
				Text: closedToReader(so, a.account, got),
			})
		}
	}
	// The plan is by where the folder is, whatever links lead there.
	folder, err := filepath.EvalSymlinks(a.configDir)
	if err != nil {
		return closed
	}
	planned := func(path string) (hint string, ok bool) {
		i := slices.IndexFunc(plan, func(c hostfiles.Change) bool { return c.Path == path })
		switch {
		case i < 0:
			return "", false
		case plan[i].Problem != "":
			return plan[i].Hint, true
		}
		return "verifier permissions fix", true
	}
	var fault *hostfiles.Fault
	if errors.As(a.account.MayRun(folder), &fault) {
		hint, ok := planned(fault.Path)
		if fault.Path != folder {
			hint, ok = fault.Hint, true // what stands above it is not in the plan
		}
		if ok {
			a.unreadable = true
			say(fault.Path, fault.Got, nobodyLogsIn, hint)
			return closed
		}
	}
	for _, c := range plan {
		name, inside := strings.CutPrefix(c.Path, folder+"/")
		so := unreadConsequence(name)
		if !inside || so == "" {
			continue
		}
		info, err := os.Lstat(c.Path)
		if err != nil || a.account.MayRead(info) {
			continue
		}
		hint, _ := planned(c.Path)
		a.unreadable = a.unreadable || name == "config.yml"
		say(c.Path, fmt.Sprintf("%04o", info.Mode().Perm()), so, hint)
	}
	return closed
}

const nobodyLogsIn = "nobody can log in"

// unreadConsequence is what comes of a file of the host's folder that a login cannot read, or "" for what no login reads.
func unreadConsequence(name string) string {
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "config.yml":
		return nobodyLogsIn
	case "providers", "auth_id", "providers.d", "auth_id.d":
		return (&rowsFile{unread: true}).consequence(strings.TrimSuffix(top, ".d"))
	case "policy.d":
		return mayBeRequired
	}
	return ""
}
