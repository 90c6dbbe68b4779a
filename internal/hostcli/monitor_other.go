//go:build !linux

package hostcli

import (
	"errors"
	"os"
)

// startBeside is for Linux, which has the sandbox.
func startBeside() (*os.File, error) { return nil, errors.ErrUnsupported }
