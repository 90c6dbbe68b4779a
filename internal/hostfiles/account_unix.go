//go:build unix

package hostfiles

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// userDatabase is where accounts are looked up.
type userDatabase struct {
	passwd string
	getent []string // the first that is there is asked
}

// hostUsers are asked by absolute path: PATH is somebody else's. NixOS has getent at the last place.
var hostUsers = userDatabase{"/etc/passwd", []string{"/usr/bin/getent", "/bin/getent", "/run/current-system/sw/bin/getent"}}

// LookupAccount finds a user of this host: in /etc/passwd, or else by getent(1), which knows the users of LDAP and SSSD, as
// this program, without cgo, does not. The error wraps [ErrNoAccount] where there is none, and [ErrUserName] for what cannot be a
// name. It takes 2 seconds at most.
func LookupAccount(ctx context.Context, name string) (*Account, error) {
	return hostUsers.lookup(ctx, name)
}

// LookupLocalAccount is [LookupAccount] without getent: of /etc/passwd alone.
func LookupLocalAccount(name string) (*Account, error) {
	if err := checkUserName(name); err != nil {
		return nil, err
	}
	return hostUsers.lookupLocal(name)
}

func (u userDatabase) lookup(ctx context.Context, name string) (*Account, error) {
	if err := checkUserName(name); err != nil {
		return nil, err
	}
	account, err := u.lookupLocal(name)
	if !errors.Is(err, ErrNoAccount) {
		return account, err
	}
	getent := firstProgram(u.getent)
	if getent == "" {
		return nil, err
	}
	// Without `--`, which not every getent knows: a name does not begin with `-`.
	const most = 64 << 10
	answer, err := runProgram(ctx, most, getent, "passwd", name)
	var exit *exec.ExitError
	const notFound = 2
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == notFound:
		return nil, ErrNoAccount
	case err != nil:
		return nil, fmt.Errorf("%s passwd %+q: %w%s", getent, name, err, answer.complaint())
	}
	return findAccount(bytes.NewReader(answer.stdout), name)
}

func (u userDatabase) lookupLocal(name string) (*Account, error) {
	file, err := os.Open(u.passwd)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoAccount
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return findAccount(file, name)
}
