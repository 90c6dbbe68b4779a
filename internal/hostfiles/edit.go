package hostfiles

import (
	"errors"
)

// ErrBusy: another program holds the lock of a file for longer than anybody should have to wait.
var ErrBusy = errors.New("another program is editing the file")

// ErrChanged: somebody who does not take the lock, such as an editor, wrote the file while it was being edited.
var ErrChanged = errors.New("the file was changed by another program meanwhile")

// NewFile says who can read a file that [EditSystem] makes. It gets group, mode and ACL of the first of its neighbours that Reader may
// read. Without such a neighbour it is for the group of Reader; where nobody knows that account, for everybody who can list the folder,
// or else for the folder's group.
type NewFile struct {
	// Like names neighbours by patterns for [io/fs.Glob] in the folder. Names that begin with a dot do not count.
	Like []string
	// Reader is the account that has to read the file, or nil.
	Reader *Account
}

// EditSystem replaces a file of the host by what edit makes of its content, and says whether there was anything to change. The
// file is replaced as a whole by rename: readers see the old or the new one. It keeps its owner, group, mode and ACL. A missing one,
// which edit gets as nil, gets what made says. Of two programs that edit one file with EditSystem, the second gets what the first
// wrote.
//
// The file and the folders above it are held to the rules of [ReadSystem]; a symbolic link is followed where only root
// could have made it, and stays. Errors: [*Fault], [ErrBusy], [ErrChanged], those of edit, and those of package os.
func EditSystem(path string, made NewFile, edit func(data []byte) ([]byte, error)) (changed bool, err error) {
	absolute, err := absolutePath(path)
	if err != nil {
		return false, err
	}
	return editOwned(absolute, nil, made, edit)
}
