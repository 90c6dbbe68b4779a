package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/internal/sshdsettings"
)

// folderReader is about whoever reads what a command writes into the host's folder.
type folderReader struct {
	configDir string
	// account is as which sshd runs the verifier on the folder, or nil where sshd says nothing of that. It is asked once, when it is needed.
	account func() *hostfiles.Account
}

func newFolderReader(ctx context.Context, configDir string) *folderReader {
	return &folderReader{configDir, sync.OnceValue(func() *hostfiles.Account { return findFolderReader(ctx, configDir) })}
}

// folderReaderPatience is for all questions to sshd together: an emergency does not wait for them.
const folderReaderPatience = 2 * time.Second

// findFolderReader gives nil, too, where a Match block has another command or user, or where that is not known in time: there may be several
// readers then.
func findFolderReader(ctx context.Context, configDir string) *hostfiles.Account {
	ctx, cancel := context.WithTimeout(ctx, folderReaderPatience)
	defer cancel()
	settings, err := sshdsettings.Read(ctx, sshdsettings.Query{})
	if err != nil {
		return nil
	}
	a := newAuditor(auditOptions{configDir: configDir}, time.Now())
	if !readsFolder(settings, a.configDir) {
		return nil
	}
	a.checkMatchBlocks(ctx, settings)
	if slices.ContainsFunc(a.findings, func(f auditFinding) bool { return f.Code == codeMatchBlock || f.Code == codeSSHDConfig }) {
		return nil
	}
	account, err := hostfiles.LookupAccount(ctx, settings.CommandUser())
	if err != nil {
		return nil
	}
	return account
}

// readsFolder is whether sshd runs the verifier on this folder.
func readsFolder(settings sshdsettings.Settings, configDir string) bool {
	command, err := parseSSHDCommand(settings.Command())
	return err == nil && filepath.Clean(command.options.configDir) == configDir
}

// newFile is for path, where that is made: files of the folder are read by the same account. It is asked here, and not while others wait for
// the file's lock.
func (r *folderReader) newFile(path string) hostfiles.NewFile {
	made := hostfiles.NewFile{Like: []string{"providers", "auth_id", "providers.d/*.conf", "auth_id.d/*.conf", "policy.d/*.yml", "config.yml"}}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		made.Reader = r.account()
	}
	return made
}

// remarks say that a login cannot read a file of the folder, and what comes of it.
func (r *folderReader) remarks(name string) []string {
	account := r.account()
	if account == nil {
		return nil
	}
	path, err := filepath.EvalSymlinks(filepath.Join(r.configDir, name))
	if err != nil {
		return nil
	}
	var fault *hostfiles.Fault
	if !errors.As(account.MayOpen(path), &fault) {
		return nil
	}
	hint := fault.Hint // what stands above the folder, or behind a link, permissions fix leaves alone
	if folder, err := filepath.EvalSymlinks(r.configDir); err == nil && (fault.Path == folder || strings.HasPrefix(fault.Path, folder+"/")) {
		hint = "verifier permissions fix"
		if filepath.Clean(r.configDir) != defaultConfigDir {
			hint += " --config-dir " + r.configDir
		}
	}
	return []string{fmt.Sprintf("warning: %s: %s", fault.Path, closedToReader(unreadConsequence(name), account, fault.Got)), "hint: " + hint}
}

// closedToReader says that a login cannot read a file or folder, and what comes of it.
func closedToReader(consequence string, account *hostfiles.Account, mode string) string {
	return fmt.Sprintf("%s: the user %s, as which sshd runs the verifier, cannot read it: got %s", consequence, account.Name, mode)
}
