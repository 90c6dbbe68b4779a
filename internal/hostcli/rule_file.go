package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// ruleOptions are the flags of add and remove.
type ruleOptions struct {
	configDir                   string
	home, dryRun, json, verbose bool
}

func (o *ruleOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with auth_id and providers")
	c.Flags().BoolVar(&o.home, "home", false, "edit ~/.opk/auth_id, for oneself (default for ordinary users, unless --config-dir)")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would change, and write nothing")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what changes in the file")
}

// inHome says whether an ordinary user's own rules are meant, as opkssh add has always had it.
func (o *ruleOptions) inHome(c *cobra.Command) (bool, error) {
	explicit := c.Flags().Changed("config-dir")
	if o.home && explicit {
		return false, errors.New("--home: expected no --config-dir beside it")
	}
	return o.home || os.Geteuid() != 0 && !explicit, nil
}

// homeAccount is the account whose rules can be edited: only a user's own count for her.
func homeAccount(ctx context.Context, user string) (*hostfiles.Account, error) {
	account, err := hostfiles.LookupAccount(ctx, user)
	if err != nil {
		return nil, &exitError{text: fmt.Sprintf("%s: %v", user, err), code: exitRefused}
	}
	if os.Geteuid() != int(account.UID) {
		return nil, &exitError{
			text: fmt.Sprintf("the rules in a home folder count for its own user alone: %s is somebody else", user),
			hint: "run it as " + user + ", or as root without --home", code: exitRefused,
		}
	}
	return account, nil
}

// ruleFile is a file of rules that can be edited.
type ruleFile struct {
	path   string
	home   *hostfiles.Account // nil for the host's files
	reader *folderReader      // of the host's folder; nil for a home's
}

// edit changes the file, or with dryRun makes the change and writes nothing. It gives the lines that differ.
func (f ruleFile) edit(dryRun bool, change func(data []byte) ([]byte, error)) (changes []string, err error) {
	edit := func(data []byte) ([]byte, error) {
		edited, err := change(data)
		changes = changedLines(string(data), string(edited))
		return edited, err
	}
	switch {
	case dryRun:
		var data []byte
		if data, err = f.read(); err == nil || errors.Is(err, fs.ErrNotExist) {
			_, err = edit(data)
		}
	case f.home != nil:
		_, err = hostfiles.EditHome(f.home, edit)
	default:
		_, err = hostfiles.EditSystem(f.path, f.reader.newFile(f.path), edit)
	}
	return changes, err
}

func (f ruleFile) read() ([]byte, error) {
	if f.home == nil {
		return hostfiles.ReadSystem(f.path)
	}
	file, err := hostfiles.ReadHome(f.home)
	if err != nil {
		return nil, err
	}
	return file.Data, nil
}

// ruleFiles are the host's files of rules in the order of a login. What is left out is in log.
func ruleFiles(configDir string, log *findings) []hostfiles.File {
	var files []hostfiles.File
	source := &hostSource{folder: configDir, log: log.logger()}
	source.eachFile("auth_id", func(f hostfiles.File) []policy.Problem {
		files = append(files, f)
		return nil
	})
	return files
}

// print says what was done.
func (o *ruleOptions) print(stdout, stderr io.Writer, path string, changes []string, reports []ruleReport) error {
	line := func(w io.Writer, text string) { _, _ = fmt.Fprintln(w, printable.Text(text)) }
	if len(changes) > 0 && (o.verbose || o.dryRun && !o.json) {
		to := stderr
		if o.dryRun && !o.json {
			to = stdout
		}
		line(to, "--- "+path)
		line(to, "+++ "+path)
		for _, text := range changes {
			line(to, text)
		}
	}
	if o.json {
		return nil
	}
	for _, r := range reports {
		line(stdout, r.sentence())
	}
	return nil
}

// ruleFileError says what to do about a file that cannot be edited.
func ruleFileError(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	exit = &exitError{text: err.Error(), code: exitRefused}
	var fault *hostfiles.Fault
	var edit *policy.EditError
	switch {
	case closedToUs(err):
		exit.hint = runAsRoot
	case errors.As(err, &fault):
		exit.hint = faultHint(fault)
	case errors.As(err, &edit):
		exit.hint = edit.ByHand
	case errors.Is(err, fs.ErrNotExist):
		exit.hint = "--config-dir names the folder with the host's files"
	}
	return exit
}

func authID(configDir string) string { return filepath.Join(configDir, "auth_id") }
