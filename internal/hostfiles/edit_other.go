//go:build !unix

package hostfiles

func editOwned(string, owners, []string, func([]byte) ([]byte, error)) (bool, error) {
	return false, errUnsupported
}
