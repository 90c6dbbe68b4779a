//go:build !linux

package hostcli

import "github.com/spf13/cobra"

// installCommands: only Linux hosts are set up.
func installCommands() []*cobra.Command { return nil }
