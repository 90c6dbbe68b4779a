package usercli

import "errors"

// The exit codes. Commands of others may have more: see Main.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// endError is an error with an exit code and something that the reader can do, or "". It asks for both methods, since errors
// of package os/exec have an ExitCode of their own, which is another program's.
type endError interface {
	error
	ExitCode() int
	Hint() string
}

type commandError struct {
	err  error
	code int
	hint string
}

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }
func (e *commandError) ExitCode() int { return e.code }
func (e *commandError) Hint() string  { return e.hint }

// wrongUsage is a command line that makes no sense. A hint that err has stays.
func wrongUsage(err error) error {
	wrong := &commandError{err: err, code: exitUsage}
	var end endError
	if errors.As(err, &end) {
		wrong.hint = end.Hint()
	}
	return wrong
}

// withHint says what the reader can do.
func withHint(err error, hint string) error {
	return &commandError{err: err, code: exitFailed, hint: hint}
}
