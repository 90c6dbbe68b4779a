//go:build linux

package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"opkssh/policies"
)

// nobody stands for a user or group that stays.
const nobody = -1

// leaving is the user and the group that go, or nobody. Whoever gets their numbers next could read what they leave.
type leaving account

func (p *Plan) leaving() (leaving, error) {
	l := leaving{nobody, nobody}
	for _, e := range p.before.Made {
		if !e.isAccount() {
			continue
		}
		why, err := p.accountStays(e)
		if err != nil {
			return l, err
		}
		if why != "" {
			continue
		}
		id, err := column(e.Value, 2)
		if err != nil {
			return l, &Refusal{Path: ManifestPath, Detail: err.Error()}
		}
		if e.Kind == madeUser {
			l.uid = id
		} else {
			l.gid = id
		}
	}
	return l, nil
}

// of is what a file has of them.
func (l leaving) of(st *unix.Stat_t) leaving {
	if int(st.Uid) != l.uid {
		l.uid = nobody
	}
	if int(st.Gid) != l.gid {
		l.gid = nobody
	}
	return l
}

func (l leaving) any() bool { return l != leaving{nobody, nobody} }

// planDisown plans that files which stay become root's where they are of a user or group that goes.
func (p *Plan) planDisown(purge bool) error {
	l, err := p.leaving()
	if err != nil || !l.any() {
		return err
	}
	if !purge {
		rules, err := p.leftRules(l)
		if err != nil {
			return err
		}
		p.planGiveToRoot(l, configFolder, "what stays there becomes root's", rules)
	}
	name, logs, err := p.leftLogs(l)
	if err != nil {
		return err
	}
	p.planGiveToRoot(l, name, "it stays, and becomes root's", logs)
	return nil
}

// leftRules are the files and folders of l that stay in /etc/opk.
func (p *Plan) leftRules(l leaving) (left []string, err error) {
	tree, err := p.host.follow(configFolder)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(tree, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(tree, name)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: name, Err: err}
		}
		if l.of(&st).any() && !p.removes(path.Join(configFolder, relative)) {
			left = append(left, name)
		}
		return nil
	})
	return left, err
}

// leftLogs are the log of l that config.yml names, name for the host, and what became of it by rotation, such as NAME.1 and NAME-20260102.
func (p *Plan) leftLogs(l leaving) (name string, left []string, err error) {
	config, err := p.hostConfig()
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		p.remark("%s: if it names a log, that is left as it is: %s", refusal.Path, refusal.Detail)
		return "", nil, nil
	case err != nil:
		return "", nil, err
	case !path.IsAbs(config.Log.To):
		return "", nil, nil
	}
	name = config.Log.To
	folder, err := p.host.follow(path.Dir(name))
	var entries []fs.DirEntry
	if err == nil {
		entries, err = os.ReadDir(folder)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return "", nil, nil // nothing could ever be logged there
	case err != nil:
		return "", nil, err
	}
	for _, entry := range entries {
		suffix, named := strings.CutPrefix(entry.Name(), path.Base(name))
		if !named || suffix != "" && suffix[0] != '.' && suffix[0] != '-' {
			continue
		}
		file := filepath.Join(folder, entry.Name())
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && l.of(&st).any() {
			left = append(left, file)
		}
	}
	return name, left, nil
}

func (p *Plan) planGiveToRoot(l leaving, name, what string, files []string) {
	if len(files) == 0 {
		return
	}
	p.add("change", name, fmt.Sprintf("%s, since %s goes", what, policies.UserName), func() (func() error, error) {
		var undos []func() error
		undo := func() error {
			var errs []error
			for _, undo := range undos {
				errs = append(errs, undo())
			}
			return errors.Join(errs...)
		}
		for _, file := range files {
			back, err := l.giveToRoot(file)
			if err != nil {
				return nil, errors.Join(err, undo())
			}
			undos = append(undos, back)
		}
		return undo, nil
	})
}

// giveToRoot gives root what is of l of a file. Who owns a log's folder may put another file there meanwhile: so the file is held, by a
// descriptor that does not open it (O_PATH), and one of others stays theirs.
func (l leaving) giveToRoot(name string) (undo func() error, err error) {
	file, err := os.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	l = l.of(&st)
	to := l
	if to.uid != nobody {
		to.uid = 0
	}
	if to.gid != nobody {
		to.gid = 0
	}
	give := func(to leaving) error {
		if err := unix.Fchownat(int(file.Fd()), "", to.uid, to.gid, unix.AT_EMPTY_PATH); err != nil {
			return &fs.PathError{Op: "chown", Path: name, Err: err}
		}
		return nil
	}
	return func() error { return give(l) }, give(to)
}
