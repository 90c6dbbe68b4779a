//go:build unix && !linux

package hostfiles

import "os"

// copyAccess does nothing: hosts are Linux systems, and elsewhere access control lists are other things.
func copyAccess(string, *os.File) error { return nil }

// hasAccessList cannot tell here.
func hasAccessList(*os.File) bool { return false }

// hasAccessListAt cannot tell here.
func hasAccessListAt(string) bool { return false }
