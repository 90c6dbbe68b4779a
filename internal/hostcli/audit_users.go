package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// usersTimeout is for all users together: each that is not in /etc/passwd is a question to a directory service.
const usersTimeout = 30 * time.Second

func (a *auditor) checkUsers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, usersTimeout)
	defer cancel()
	first := map[string]policy.Rule{}
	for _, r := range a.rules {
		if _, seen := first[r.Principal]; !seen {
			first[r.Principal] = r
		}
	}
	for _, user := range a.usersToLookAt() {
		if ctx.Err() != nil {
			a.note(codeUsersNotChecked, fmt.Sprintf("users from %s on were not looked up: that took longer than %v", user, usersTimeout), "")
			break
		}
		r := first[user]
		account, err := hostfiles.LookupAccount(ctx, user)
		switch {
		case errors.Is(err, hostfiles.ErrNoAccount), errors.Is(err, hostfiles.ErrUserName):
			a.add(auditFinding{
				Code: codeNoSuchUser, Severity: policy.SeverityWarning, File: r.File, Line: r.Line, Text: fmt.Sprintf("this host has no user %q", user),
				Hint: "make the user, or mend the name: nobody can log in as it",
			})
		case err != nil && ctx.Err() == nil:
			a.note(codeUsersNotChecked, fmt.Sprintf("%s: %v", user, err), "")
		case err == nil:
			a.checkHome(account)
		}
	}
}

// usersToLookAt are those that rules name, or the one that somebody asks about.
func (a *auditor) usersToLookAt() []string {
	if a.forUser != "" {
		return []string{a.forUser}
	}
	return a.principals()
}

// checkHome looks at a user's own rules, as a login as that user would.
func (a *auditor) checkHome(account *hostfiles.Account) {
	if !a.config.HomePolicy || os.Geteuid() != 0 && os.Geteuid() != int(account.UID) {
		return
	}
	file, err := hostfiles.ReadHome(account)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		f := faultFinding(err, "the home rules of "+account.Name+" do not count")
		f.Code, f.Severity = codeHomeUntrusted, policy.SeverityWarning
		a.add(f)
		return
	}
	rules, problems := policy.ParseRules(file.Path, file.Data)
	row := func(line, column int, text string) {
		a.add(auditFinding{Code: codeHomeRow, Severity: policy.SeverityWarning, File: file.Path, Line: line, Column: column, Text: text})
	}
	for _, p := range problems {
		row(p.Line, p.Column, "the row is left out: "+p.Detail)
	}
	issuers := map[string]bool{}
	for _, issuer := range a.issuers() {
		issuers[issuer] = true
	}
	for _, r := range rules {
		switch {
		case r.Principal != account.Name:
			row(r.Line, 0, fmt.Sprintf("the row does not count: in this folder only those for %s do, got %s", account.Name, quoted(r.Principal)))
		case !a.closed && !issuers[r.Issuer]:
			row(r.Line, 0, "the row lets nobody in: no row of providers has the issuer "+quoted(r.Issuer))
		}
	}
}
