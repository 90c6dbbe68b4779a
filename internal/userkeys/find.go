package userkeys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find lists the pairs in folder, which is ~/.ssh, whose certificate login wrote: those with a default name, and all in the
// folder opkssh below it. Whether the private key is ours too is for [Pair.Remove] to check. If one of the folders cannot be read, it gives
// what is in the other one, and the error.
func Find(folder string) ([]Pair, error) {
	var names []string
	for _, t := range []KeyType{ECDSA, Ed25519} {
		for _, name := range defaultNames(t) {
			names = append(names, filepath.Join(folder, name))
		}
	}
	below, err := certificatesIn(filepath.Join(folder, "opkssh"))
	for _, certificate := range below {
		names = append(names, strings.TrimSuffix(certificate, "-cert.pub"))
	}
	var found []Pair
	for _, name := range names {
		pair := At(name)
		if _, ours, _ := pair.certificateLine(); ours {
			found = append(found, pair)
		}
	}
	return found, err
}

// certificatesIn lists the certificate files in a folder that need not be there.
func certificatesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), "-cert.pub") {
			names = append(names, filepath.Join(folder, entry.Name()))
		}
	}
	return names, nil
}
