package usercli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the release build: -ldflags "-X opkssh/internal/usercli.version=v1.2.3".
var version string

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

// versionText is the version of the release, or else what the build knows.
func versionText() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
	}
	return fmt.Sprintf("opkssh %s (%s, %s/%s)", cmp.Or(v, "(unknown)"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
