//go:build !windows

package userkeys

import (
	"context"
	"errors"
	"io"
)

func dialAgent(ctx context.Context, address string) (io.ReadWriteCloser, error) {
	if address == "" {
		return nil, errors.New("SSH_AUTH_SOCK is not set")
	}
	return dialSocket(ctx, address)
}
