package hostcli

import (
	"context"
	"os"
	"slices"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// checkPermissions says what permissions fix would do. What a login leaves out for it is said by the check of files.
func (a *auditor) checkPermissions(context.Context) {
	if a.account == nil {
		return // whom it would be for is not known: said already
	}
	for _, c := range layoutFor(a.configDir, a.cacheDir, a.account).Plan(false) {
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
			f.Severity, f.Hint = policy.SeverityNote, "run it as root"
		}
		if c.Kind == hostfiles.ChangeRemove {
			f.Text = "it does not count as a file of the cache: " + c.From
		}
		a.add(f)
	}
}
