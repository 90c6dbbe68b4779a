//go:build !unix

package hostfiles

func editOwned(string, owners, NewFile, func([]byte) ([]byte, error)) (bool, error) {
	return false, errUnsupported
}
