//go:build !windows

package userkeys

import (
	"errors"
	"io"
)

func dialAgent(address string) (io.ReadWriteCloser, error) {
	if address == "" {
		return nil, errors.New("SSH_AUTH_SOCK is not set")
	}
	return dialSocket(address)
}
