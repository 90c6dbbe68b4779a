package hostfiles

import "path/filepath"

// MaxHomeSize is the largest home file that is read, in bytes: its owner is not root, and root reads it.
const MaxHomeSize = 1 << 20

const (
	homeFolder = ".opk"
	homeFile   = "auth_id"
)

// HomeFile is the path of the user's own rules.
func (a *Account) HomeFile() string { return filepath.Join(a.Home, homeFolder, homeFile) }
