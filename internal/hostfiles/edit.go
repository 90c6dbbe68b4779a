package hostfiles

import (
	"errors"
)

// ErrBusy: another program holds the lock of a file for longer than anybody should have to wait.
var ErrBusy = errors.New("another program is editing the file")

// ErrChanged: somebody who does not take the lock, such as an editor, wrote the file while it was being edited.
var ErrChanged = errors.New("the file was changed by another program meanwhile")

// EditSystem replaces a file of the host by what edit makes of its content, and says whether there was anything to change. The
// file is replaced as a whole by rename: readers see the old or the new one. It keeps its owner, group, mode and ACL. A missing one,
// which edit gets as nil, gets those of the first file in its folder that like names, so that who reads those can read it;
// without any, it is 0640 with the group of the folder. Of two programs that edit one file with EditSystem, the second gets
// what the first wrote.
//
// The file and the folders above it are held to the rules of [ReadSystem]; a symbolic link is followed where only root
// could have made it, and stays. Errors: [*Fault], [ErrBusy], [ErrChanged], those of edit, and those of package os.
func EditSystem(path string, like []string, edit func(data []byte) ([]byte, error)) (changed bool, err error) {
	absolute, err := absolutePath(path)
	if err != nil {
		return false, err
	}
	return editOwned(absolute, nil, like, edit)
}
