package hostcli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// homeTimeout bounds what a slow directory service and sudo can cost a login together.
const homeTimeout = 2 * time.Second

// homeRules reads the rules in the user's home folder: those for this very user. There are none where there is no such file, and
// none, with a line in the log, where it cannot be read or trusted.
func (s *hostSource) homeRules(ctx context.Context, user string) []policy.Rule {
	read := readHome
	if s.readHome != nil {
		read = s.readHome
	}
	file, err := read(ctx, user)
	if err != nil {
		s.logFault(err)
		return nil
	}
	if file == nil {
		return nil
	}
	s.files.note(file.Path, nil)
	rules, problems := policy.ParseRulesFor(file.Path, file.Data, user)
	s.logProblems(file.Path, problems)
	return rules
}

// readHome reads a user's own rules, nil where there are none.
func readHome(ctx context.Context, user string) (*hostfiles.File, error) {
	ctx, cancel := context.WithTimeout(ctx, homeTimeout)
	defer cancel()
	account, err := hostfiles.LookupAccount(ctx, user)
	if errors.Is(err, hostfiles.ErrNoAccount) || errors.Is(err, hostfiles.ErrUserName) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := hostfiles.ReadHome(account)
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		file, err = readHomeThroughSudo(ctx, account)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return file, err
}

// homeTakesProgram is whether [readHome] may start a program for a user: getent for one who is not in /etc/passwd, sudo where the
// home folder is closed to this process.
func homeTakesProgram(user string) bool {
	account, err := hostfiles.LookupLocalAccount(user)
	if errors.Is(err, hostfiles.ErrUserName) {
		return false
	}
	if err == nil {
		_, err = hostfiles.ReadHome(account)
		return errors.Is(err, fs.ErrPermission)
	}
	return true
}

// readHomeThroughSudo runs this very program, which has readhome whatever its name is.
func readHomeThroughSudo(ctx context.Context, account *hostfiles.Account) (*hostfiles.File, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return hostfiles.ReadHomeThroughSudo(ctx, program, account)
}
