package hostcli

import (
	"context"
	"errors"
	"fmt"

	"opkssh/internal/hostfiles"
)

// defaultCommandUser is what hosts call the user that sshd runs the verifier as.
const defaultCommandUser = "opksshuser"

// findCommandUser gives the account that sshd runs the verifier as: the one that is named, or the one that sshd says, or the usual one.
func findCommandUser(ctx context.Context, name string) (*hostfiles.Account, error) {
	if name == "" {
		name = defaultCommandUser
		if settings, err := readSSHDSettings(ctx, "", "", ""); err == nil && settings.commandUser() != "" {
			name = settings.commandUser()
		}
	}
	account, err := hostfiles.LookupAccount(ctx, name)
	if errors.Is(err, hostfiles.ErrNoAccount) {
		return nil, &exitError{
			text: fmt.Sprintf("this host has no user %s, as which sshd would run the verifier", name),
			hint: "--user names another; verifier install makes it", code: exitRefused,
		}
	}
	return account, err
}
