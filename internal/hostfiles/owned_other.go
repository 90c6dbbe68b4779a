//go:build !unix

package hostfiles

import "errors"

// errUnsupported: hosts are Unix systems; owners and modes mean something else here.
var errUnsupported = errors.New("reading a host's files is supported on Unix systems alone")

type owners []uint32

func readOwnedRows(string, owners, func([]byte) bool) ([]byte, error) { return nil, errUnsupported }

func listOwned(string, owners) ([]string, error) { return nil, errUnsupported }

func resolveOwned(string, owners) (string, error) { return "", errUnsupported }
