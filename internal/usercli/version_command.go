package usercli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Example: "  opkssh version",
		Args:    arguments(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			t.result("%s", versionText())
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					t.detail("%s=%s", s.Key, s.Value)
				}
			}
			return nil
		},
	}
	t.verboseFlag(c)
	return c
}

// versionText has what go build took from the repository: the tag of a release, else the commit, else (devel).
func versionText() string {
	v := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
	}
	return fmt.Sprintf("opkssh %s (%s, %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
