package usercli

import (
	"errors"

	"github.com/spf13/cobra"

	"opkssh/internal/userkeys"
)

// logoutReport is what logout --json prints.
type logoutReport struct {
	Removed []string   `json:"removed"`
	Kept    []keptFile `json:"kept"`
}

type keptFile struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

func logoutCommand(t *terminal) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "logout",
		Short: "remove the keys that login wrote",
		Long: `logout removes the private keys and certificates that login wrote to ~/.ssh and ~/.ssh/opkssh, and nothing else. A
certificate that login wrote stays, and is named, if the private key beside it is another one. Keys that were
written with -i are removed with -i.

It ends no session at the provider, and copies of a key, as in an ssh-agent, stay valid until they expire.`,
		Example: `  opkssh logout
  opkssh logout -i ~/work/key`,
		Args: arguments(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			report, err := logout(file)
			t.detail("looked at what login writes: %d files removed, %d kept", len(report.Removed), len(report.Kept))
			if asJSON {
				return errors.Join(t.json(report), err)
			}
			for _, name := range report.Removed {
				t.result("removed %s", name)
			}
			for _, kept := range report.Kept {
				t.note("kept %s: %s", kept.File, kept.Reason)
			}
			if len(report.Removed) == 0 && err == nil {
				t.note("no key that login wrote is here")
			}
			return err
		},
	}
	c.Flags().StringVarP(&file, "private-key-file", "i", "", "remove this private key and its certificate")
	c.Flags().BoolVar(&asJSON, "json", false, "print what was removed as JSON")
	t.verboseFlag(c)
	return c
}

// logout removes the pair that file names, or all that login wrote. A named pair that is somebody's own is an error. The report
// says what was done until the error.
func logout(file string) (*logoutReport, error) {
	report := &logoutReport{Removed: []string{}, Kept: []keptFile{}}
	if file != "" {
		removed, err := userkeys.At(file).Remove()
		report.Removed = append(report.Removed, removed...)
		return report, err
	}
	folder, err := keyFolder()
	if err != nil {
		return report, err
	}
	pairs, err := userkeys.Find(folder)
	if err != nil {
		return report, err
	}
	for _, pair := range pairs {
		removed, err := pair.Remove()
		report.Removed = append(report.Removed, removed...)
		var foreign *userkeys.ForeignError
		if errors.As(err, &foreign) {
			report.Kept = append(report.Kept, keptFile{foreign.File, foreign.Detail})
		} else if err != nil {
			return report, err
		}
	}
	return report, nil
}
