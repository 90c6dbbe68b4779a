//go:build !unix

package hostfiles

import "io/fs"

// MayRun says whether the account may run a program: see the version for Unix systems.
func (a *Account) MayRun(string) error { return errUnsupported }

// MayOpen says whether the account may read a file: see the version for Unix systems.
func (a *Account) MayOpen(string) error { return errUnsupported }

// MayRead is for hosts, which are Unix systems.
func (a *Account) MayRead(fs.FileInfo) bool { return true }
