//go:build unix

package hostfiles

import (
	"context"
	"strings"
)

// sudoPrograms are asked by absolute path, the first that is there. NixOS has sudo at the last place.
var sudoPrograms = []string{"/usr/bin/sudo", "/bin/sudo", "/usr/local/bin/sudo", "/run/wrappers/bin/sudo"}

// ReadHomeThroughSudo reads what [ReadHome] may not see, by running `sudo -n PROGRAM readhome USER`. Program is the absolute path of
// this program, and sudoers must allow the command. The file is empty where there is none, and every error is a [*Fault]. It
// takes 2 seconds at most.
func ReadHomeThroughSudo(ctx context.Context, program string, account *Account) (*File, error) {
	return readHomeThrough(ctx, sudoPrograms, program, account)
}

func readHomeThrough(ctx context.Context, sudoPrograms []string, program string, account *Account) (*File, error) {
	fault := &Fault{
		Path: account.HomeFile(), Detail: "read by root", Expected: "its content",
		Hint: "visudo -f /etc/sudoers.d/opkssh: opksshuser ALL=(root) NOPASSWD: " + program + " readhome * (or in config.yml: home_policy: false)",
	}
	sudo := firstProgram(sudoPrograms)
	if sudo == "" {
		fault.Got = "no sudo on this host"
		fault.Hint = "install sudo, or let others enter the folder, or in config.yml: home_policy: false"
		return nil, fault
	}
	answer, err := runProgram(ctx, MaxHomeSize, sudo, "-n", program, "readhome", account.Name)
	if err == nil {
		return &File{Path: account.HomeFile(), Data: answer.stdout}, nil
	}
	if answer != nil {
		// readhome knows better than this place what to do.
		if complaint, hint, ok := strings.Cut(answer.stderr, "\nhint: "); ok {
			answer.stderr, fault.Hint = complaint, hint
		}
	}
	fault.Got = err.Error() + answer.complaint()
	return nil, fault
}
