//go:build unix

package hostcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"opkssh/internal/hostfiles"
)

// asCacheOwner does something with the cache folder as the user whose folder it is. Run by that user, or by root on a folder of root's, do
// does it. Run by root on the folder of sshd's user, this program runs again as that user, with args and input: what it
// prints passes through us, and it has no terminal.
func (r *keysRun) asCacheOwner(ctx context.Context, input []byte, args []string, do func() error) error {
	account, err := r.cacheOwner(ctx)
	if err != nil {
		return err
	}
	if account == nil {
		return do()
	}
	folders := make([]string, 2)
	for i, folder := range []string{r.configDir, r.cacheDir} {
		if folders[i], err = filepath.Abs(folder); err != nil {
			return err
		}
	}
	args = append([]string{args[0], args[1], "--config-dir", folders[0], "--cache-dir", folders[1]}, args[2:]...)
	stdout, stderr := &printableWriter{to: r.stdout}, &printableWriter{to: r.stderr}
	err = runAs(ctx, account, bytes.NewReader(input), stdout, stderr, args...)
	if err := errors.Join(stdout.flush(), stderr.flush()); err != nil {
		return err
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &exitError{code: exit.ExitCode()} // it has said why
	}
	if err != nil {
		return &exitError{
			text: fmt.Sprintf("run as %s: %v", account.Name, err), hint: "sudo -u " + account.Name + " verifier keys …", code: exitRefused,
		}
	}
	return nil
}

// cacheOwner is nil for us, who run this. The folder's owner decides, if it is sshd's user: nobody else has a reason to own it.
func (r *keysRun) cacheOwner(ctx context.Context) (*hostfiles.Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	info, err := os.Lstat(r.cacheDir)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, r.folderError(err)
	}
	var owner uint32
	if !missing {
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || !info.IsDir() {
			return nil, r.folderError(fmt.Errorf("%s: expected a folder", r.cacheDir))
		}
		if owner = stat.Uid; owner == 0 {
			return nil, nil
		}
	}
	account, err := findCommandUser(ctx, r.user)
	switch {
	case err != nil:
		return nil, err
	case missing && account.UID == 0:
		return nil, nil
	case missing:
		return nil, r.folderError(fmt.Errorf("%s is missing", r.cacheDir))
	case owner != account.UID:
		return nil, r.folderError(fmt.Errorf("%s: expected the owner %s (uid %d), got uid %d", r.cacheDir, account.Name, account.UID, owner))
	}
	return account, nil
}

// runAs runs this program as another user, with the environment of a login: none.
func runAs(ctx context.Context, account *hostfiles.Account, stdin io.Reader, stdout, stderr io.Writer, args ...string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Out of reach of our terminal, into which the user could otherwise type.
		Setsid:     true,
		Credential: &syscall.Credential{Uid: account.UID, Gid: account.GID, Groups: account.Groups()},
	}
	return cmd.Run()
}
