package hostcli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"opkssh/internal/hostfiles"
	"opkssh/internal/installer"
	"opkssh/internal/sshdsettings"
)

// defaultCommandUser is what hosts call the user that sshd runs the verifier as.
const defaultCommandUser = "opksshuser"

// configuredCommandUser is the user whom sshd_config names, or the usual one: an ordinary user, whom sshd does not tell, may read the file.
func configuredCommandUser(sshdConfig string) string {
	return cmp.Or(installer.CommandUser(sshdConfig), defaultCommandUser)
}

// isCommandUser is whether the user runs this that sshd runs the verifier as: the one that is named, or that sshd_config names.
func isCommandUser(name, sshdConfig string) bool {
	if name == "" {
		name = configuredCommandUser(sshdConfig)
	}
	theirs, err := hostfiles.LookupLocalAccount(name)
	return err == nil && int(theirs.UID) == os.Geteuid()
}

// findCommandUser gives the account that sshd runs the verifier as: the one that is named, or the one that sshd says, or the usual one.
func findCommandUser(ctx context.Context, name string) (*hostfiles.Account, error) {
	if name == "" {
		if settings, err := sshdsettings.Read(ctx, sshdsettings.Query{}); err == nil {
			name = cmp.Or(settings.CommandUser(), defaultCommandUser)
		} else {
			name = configuredCommandUser("")
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
