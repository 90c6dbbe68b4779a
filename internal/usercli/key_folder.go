package usercli

import (
	"os"
	"path/filepath"
)

// keyFolder is where ssh looks for keys.
func keyFolder() (string, error) {
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".ssh"), err
}
