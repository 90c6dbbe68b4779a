//go:build !unix

package hostcli

import (
	"context"
	"errors"
	"io"

	"opkssh/internal/hostfiles"
)

// asCacheOwner is for hosts, which are Unix systems.
func (r *keysRun) asCacheOwner(_ context.Context, _ []byte, _ []string, do func() error) error {
	return do()
}

func runAs(context.Context, *hostfiles.Account, io.Reader, io.Writer, io.Writer, ...string) error {
	return errors.New("not on this system")
}
