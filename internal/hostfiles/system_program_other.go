//go:build !unix

package hostfiles

// SystemProgram is supported on Unix systems alone.
func SystemProgram(string) (resolved string, err error) { return "", errUnsupported }

// CheckSystemIn is supported on Unix systems alone.
func CheckSystemIn(_, _ string) error { return errUnsupported }
