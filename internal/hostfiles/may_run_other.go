//go:build !unix

package hostfiles

// MayRun says whether the account may run a program: see the version for Unix systems.
func (a *Account) MayRun(string) error { return errUnsupported }
