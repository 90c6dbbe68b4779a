package userkeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

// agentPipe is where OpenSSH's agent service listens.
const agentPipe = `\\.\pipe\openssh-ssh-agent`

func dialAgent(ctx context.Context, address string) (io.ReadWriteCloser, error) {
	if address == "" {
		address = agentPipe
	}
	if !strings.HasPrefix(address, `\\.\pipe\`) {
		return dialSocket(ctx, address)
	}
	return dialPipe(ctx, address)
}

// pipeWait is how long to wait for the service to be ready for one more client.
const pipeWait = 5 * time.Second

func dialPipe(ctx context.Context, name string) (io.ReadWriteCloser, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	// Whoever listens may learn who is there, and not act as them.
	const flags = windows.SECURITY_SQOS_PRESENT | windows.SECURITY_IDENTIFICATION
	for end := time.Now().Add(pipeWait); ; time.Sleep(50 * time.Millisecond) {
		handle, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, flags, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(handle), name), nil
		case errors.Is(err, windows.ERROR_PIPE_BUSY) && time.Now().Before(end) && ctx.Err() == nil:
		case errors.Is(err, windows.ERROR_FILE_NOT_FOUND):
			return nil, fmt.Errorf("%s is not there: is the service ssh-agent running?", name)
		default:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
}
