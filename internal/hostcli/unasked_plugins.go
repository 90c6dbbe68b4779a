package hostcli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"opkssh/internal/plugin"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// unaskedPlugins stands in for a host's plugins where they are not to be run: it says whether they could change the answer.
// Implements [sshauth.Judge].
type unaskedPlugins struct {
	plugins plugin.Plugins
	files   reader
}

// undecided is the answer that only plugins know.
type undecided struct {
	plugins []*policy.Plugin
	rules   string // what the rules say
}

// Error says whose answer is missing.
func (u *undecided) Error() string {
	names := make([]string, len(u.plugins))
	for i, p := range u.plugins {
		names[i] = fmt.Sprintf("%+q (%s)", p.Name, p.File)
	}
	return u.rules + ", and plugins that were not asked have the last word: " + strings.Join(names, ", ")
}

// Judge implements [sshauth.Judge].
func (u *unaskedPlugins) Judge(
	_ context.Context, _ *pktoken.Verified, _ policy.Request, decision *policy.Decision, denied error,
) (*policy.Decision, error) {
	files, faults := u.files.folder(u.plugins.Folder, ".yml")
	allowing, required, unusable := u.plugins.Roles(files, faults)
	switch {
	case denied != nil && (len(allowing) == 0 || unusable != nil):
		return nil, denied
	case unusable != nil:
		return nil, unusable
	case denied != nil:
		return nil, &undecided{plugins: allowing, rules: "the rules do not allow it"}
	case len(required) > 0:
		return nil, &undecided{plugins: required, rules: "the rules allow it"}
	}
	return decision, nil
}

// pluginsMode says what a command that explains does about plugins.
type pluginsMode struct{ ask, ignore bool }

func (m pluginsMode) check(files reader) error {
	switch {
	case m.ask && m.ignore:
		return errors.New("expected --plugins or --without-plugins, got both")
	case m.ask && files.untrusted:
		return errors.New("--plugins: expected no --untrusted-files beside it: plugins are programs, and run only if root wrote them")
	}
	return nil
}

func pluginsFolder(configDir string) string { return filepath.Join(configDir, "policy.d") }
