//go:build !unix

package hostcli

import (
	"io/fs"

	"opkssh/internal/hostfiles"
)

// mayRead is for hosts, which are Unix systems.
func mayRead(*hostfiles.Account, fs.FileInfo) bool { return true }
