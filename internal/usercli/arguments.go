package usercli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// arguments wants from least to most arguments, which expected describes.
func arguments(least, most int, expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("expected %s, got %s", expected, count(len(args), "argument"))
		}
		return nil
	}
}
