//go:build !unix

package hostfiles

import "context"

// LookupAccount finds a user of this host: see the version for Unix systems.
func LookupAccount(context.Context, string) (*Account, error) { return nil, errUnsupported }

// LookupLocalAccount is [LookupAccount] of this machine's own users.
func LookupLocalAccount(string) (*Account, error) { return nil, errUnsupported }

// ReadHome reads the user's own rules: see the version for Unix systems.
func ReadHome(*Account) (*File, error) { return nil, errUnsupported }

// ReadHomeThroughSudo reads what ReadHome may not see: see the version for Unix systems.
func ReadHomeThroughSudo(context.Context, string, *Account) (*File, error) {
	return nil, errUnsupported
}
