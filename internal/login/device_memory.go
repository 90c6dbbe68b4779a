package login

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DeviceMemory remembers what providers' device flows did with the nonce, which no metadata says. It is a folder with a file
// for each provider and client. Dir "" remembers nothing, and so does a folder that cannot be used: then the person finds out
// again.
type DeviceMemory struct {
	Dir string
}

// NonceMemory is what is known of a provider's device flow.
type NonceMemory string

// What is known.
const (
	NonceUnknown  NonceMemory = ""
	NonceReturned NonceMemory = "returned"
	NonceDropped  NonceMemory = "dropped"
)

// memoryLife is how long a bad experience counts: providers learn.
const memoryLife = 30 * 24 * time.Hour

// Nonce is what the provider's device flow did the last time.
func (m DeviceMemory) Nonce(p Provider) NonceMemory {
	if m.Dir == "" {
		return NonceUnknown
	}
	path := m.path(p)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 100 {
		return NonceUnknown
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return NonceUnknown
	}
	switch NonceMemory(strings.TrimSpace(string(data))) {
	case NonceReturned:
		return NonceReturned
	case NonceDropped:
		if time.Since(info.ModTime()) < memoryLife {
			return NonceDropped
		}
	}
	return NonceUnknown
}

// remember replaces what was known, by rename.
func (m DeviceMemory) remember(p Provider, what NonceMemory) error {
	if m.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(m.Dir, "device-*.tmp")
	if err != nil {
		return err
	}
	_, err = file.WriteString(string(what) + "\n")
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), m.path(p))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

func (m DeviceMemory) path(p Provider) string {
	sum := sha256.Sum256([]byte(p.Issuer + "\x00" + p.ClientID))
	return filepath.Join(m.Dir, "device-"+hex.EncodeToString(sum[:16]))
}
