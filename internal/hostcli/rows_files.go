package hostcli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// rowsFile is a file of rows: providers, auth_id, or one of their drop-in folders.
type rowsFile struct {
	hostfiles.File
	fault  error // why its rows do not count; nil if they do
	unread bool  // with a fault: nobody knows its rows. Path may be the whole folder then
}

// hostRows reads a file of rows and its drop-in folder, in the order of a login. A file whose owner or mode is wrong comes with its
// fault and what it says, as far as that can be read without danger: somebody else may have made it.
func (r reader) hostRows(configDir, name string, keep func(line []byte) bool) (files []rowsFile) {
	room := maxDoubtful
	add := func(path string) {
		data, err := r.file(path, keep)
		f := rowsFile{File: hostfiles.File{Path: path, Data: data}, fault: err}
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			f.Data, err = readDoubtful(r.resolve(path), room)
			f.unread = err != nil
			room -= len(f.Data)
		}
		files = append(files, f)
	}
	add(filepath.Join(configDir, name))

	folder := filepath.Join(configDir, name+".d")
	main := len(files)
	paths, fault := r.list(folder, dropInSuffix)
	var unread error
	if fault != nil {
		folder = r.resolve(folder)
		// Where each stands among the others matters.
		paths, unread = dropIns(folder, dropInSuffix, maxDropIns)
	}
	for _, path := range paths {
		add(path)
	}
	if fault != nil && (unread != nil || !slices.ContainsFunc(files[main:], func(f rowsFile) bool { return f.fault != nil })) {
		files = append(files, rowsFile{File: hostfiles.File{Path: folder}, fault: fault, unread: unread != nil})
	}
	return files
}

const dropInSuffix = ".conf"

const (
	// maxDoubtful is how much a login reads of the files of one kind that are not to be trusted, in bytes.
	maxDoubtful = 8 << 20
	// maxDropIns is how many names it looks at in a folder that is somebody else's, or open to others.
	maxDropIns = 1000
)

var errTooMuch = errors.New("there is too much")

// readDoubtful reads a file that somebody else may have written: it follows no link, waits for nobody, and takes at most so many bytes. A
// folder, or /dev/null, holds no rule.
func readDoubtful(path string, most int) ([]byte, error) {
	// A link that leads nowhere may lead to a disk that is not there now: it is no empty file.
	if info, err := os.Lstat(path); err == nil && info.IsDir() || path == os.DevNull {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, notRegular(path, info)
	case info.Size() > int64(most):
		return nil, errTooMuch
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(file, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// doubtfulRules are the rules for a user in a file that is not to be trusted.
func (f *rowsFile) doubtfulRules(user string) []policy.Rule {
	doubt := strings.TrimPrefix(f.fault.Error(), f.Path+": ")
	if hint := hintOf(f.fault); hint != "" {
		doubt += "; to mend it: " + hint
	}
	if f.unread {
		return []policy.Rule{{File: f.Path, Doubt: doubt}}
	}
	rules, _ := policy.ParseRulesFor(f.Path, f.Data, user)
	for i := range rules {
		rules[i].Doubt = doubt
	}
	return rules
}
