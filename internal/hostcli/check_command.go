package hostcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/printable"
)

type checkOptions struct {
	configDir, as string
	json, verbose bool
	followLinks   bool
}

// checkReport is a fault in a file as --json shows it.
type checkReport struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"` // in bytes, from 1
	Detail string `json:"detail"`
}

func checkCommand() *cobra.Command {
	var options checkOptions
	c := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "find the rows and members that cannot be used",
		Long: `read files as a login does, and name each row or member that cannot be used, as file:line:column. Without FILE, all
files of --config-dir, and files there that no login reads for their names, such as config.yaml.

What a FILE is for is told by its name, else by its content, else by --as: a file that Ansible is about to put in
its place has a name of its own.

Only the content is looked at: who owns a file and who can write it, and whether files fit together, are not.

Exit status: 0 everything can be used; 1 something cannot; 2 wrong usage, or the kind of a file cannot be told.`,
		Example: `  verifier check
  verifier check --config-dir . && verifier test --config-dir . --untrusted-files
  # in a playbook
  ansible.builtin.template: {src: auth_id.j2, dest: /etc/opk/auth_id, validate: "verifier check --as auth_id %s"}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(&options, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&options.configDir, "config-dir", defaultConfigDir, "`DIR` that is checked without FILE")
	c.Flags().BoolVar(&options.followLinks, "follow-links", false,
		"follow root's symbolic links in --config-dir as a login does; "+defaultConfigDir+" needs no flag, and a checkout of somebody's change must not have it")
	c.Flags().StringVar(&options.as, "as", "", "the `KIND` of each FILE: "+kindNames())
	c.Flags().BoolVar(&options.json, "json", false, "print a JSON array for scripts")
	c.Flags().BoolVarP(&options.verbose, "verbose", "v", false, "say on standard error which files are read, and as what")
	return c
}

// checkedFile is a file and what it is for.
type checkedFile struct {
	hostfiles.File
	kind fileKind
}

func runCheck(options *checkOptions, paths []string, stdout, stderr io.Writer) error {
	var files []checkedFile
	var reports []checkReport
	var err error
	if len(paths) > 0 {
		files, err = options.named(paths)
	} else {
		files, reports, err = options.ofHost()
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if options.verbose {
			_, _ = fmt.Fprintln(stderr, printable.Text(fmt.Sprintf("reading %s as %s", f.Path, f.kind.name)))
		}
		if text := nearlyFull(len(f.Data)); text != "" && f.kind.name == "config" {
			_, _ = fmt.Fprintln(stderr, printable.Text(f.Path+": warning: "+text))
		}
		for _, p := range f.kind.check(f.Path, f.Data) {
			reports = append(reports, checkReport(p))
		}
	}
	if options.json {
		if reports == nil {
			reports = []checkReport{}
		}
		if err := printable.JSON(stdout, reports); err != nil {
			return err
		}
	} else {
		for _, r := range reports {
			if _, err := fmt.Fprintln(stdout, printable.Text(place(r.File, r.Line, r.Column)+": "+r.Detail)); err != nil {
				return err
			}
		}
	}
	if len(reports) > 0 {
		return errRefused
	}
	return nil
}

// named are the files of the command line.
func (o *checkOptions) named(paths []string) ([]checkedFile, error) {
	as, known := findKind(o.as)
	if o.as != "" && !known {
		return nil, usageError(fmt.Errorf("--as: expected %s, got %q", kindNames(), o.as))
	}
	var files []checkedFile
	for _, path := range paths {
		data, err := readAnybodys(path)
		if err != nil {
			return nil, &exitError{text: err.Error(), code: exitRefused}
		}
		kind, ok := as, known
		if !ok {
			kind, ok = guessKind(path, data)
		}
		if !ok {
			return nil, &exitError{
				text: fmt.Sprintf("%s: neither the name nor the content tells what it is for", path), hint: "--as " + kindNames(), code: exitUsage,
			}
		}
		files = append(files, checkedFile{hostfiles.File{Path: path, Data: data}, kind})
	}
	return files, nil
}

// ofHost are the files that a login and verifier test look for. What cannot be read is a fault like others, and so is a name that nobody
// reads.
func (o *checkOptions) ofHost() (files []checkedFile, reports []checkReport, err error) {
	if o.as != "" {
		return nil, nil, usageError(errors.New("--as: expected FILE beside it"))
	}
	everybodys := everybodysReader(o.configDir)
	if o.followLinks {
		everybodys.checkout = ""
	}
	for _, place := range hostPlaces {
		kind, _ := findKind(place.kind)
		if place.name != "" {
			path := filepath.Join(o.configDir, place.name)
			data, err := everybodys.file(path, nil)
			switch {
			case err == nil:
				files = append(files, checkedFile{hostfiles.File{Path: path, Data: data}, kind})
			case !errors.Is(err, fs.ErrNotExist):
				reports = append(reports, checkReport{File: path, Detail: err.Error()})
			}
		}
		if place.folder == "" {
			continue
		}
		folder := filepath.Join(o.configDir, place.folder)
		found, faults := everybodys.folder(folder, place.suffix)
		for _, f := range found {
			files = append(files, checkedFile{f, kind})
		}
		for _, fault := range faults {
			reports = append(reports, checkReport{File: folder, Detail: fault.Error()})
		}
	}
	for _, unread := range unreadNames(o.configDir) {
		reports = append(reports, checkReport{File: unread.path, Detail: unread.detail})
	}
	if len(files)+len(reports) == 0 {
		return nil, nil, &exitError{
			text: fmt.Sprintf("%s: none of the host's files is there", o.configDir), hint: "--config-dir names their folder", code: exitRefused,
		}
	}
	return files, reports, nil
}
