//go:build linux

package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"opkssh/policies"
)

// nobody stands for a user or group that stays.
const nobody = -1

// leaving is the user and the group that go, or nobody. Whoever gets their numbers next could read what they leave.
type leaving struct{ uid, gid int }

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
		if err := l.set(e); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *leaving) set(e entry) error {
	id, err := column(e.Value, 2)
	if err != nil {
		return &Refusal{Path: ManifestPath, Detail: err.Error()}
	}
	if e.Kind == madeUser {
		l.uid = id
	} else {
		l.gid = id
	}
	return nil
}

// disownLeft gives root what stays in /etc/opk once a plan is taken back that would have made the user: somebody has changed it meanwhile.
func (p *Plan) disownLeft() error {
	l := leaving{nobody, nobody}
	for _, e := range p.after.Made {
		if _, before := p.before.find(e.Kind, e.Path); before || !e.isAccount() {
			continue
		}
		if err := l.set(e); err != nil {
			return err
		}
	}
	if !l.any() {
		return nil
	}
	left, err := p.leftRules(l)
	for _, file := range left {
		_, giveErr := l.giveToRoot(file)
		err = errors.Join(err, giveErr)
	}
	return err
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
		if err := p.planDisownRules(l); err != nil {
			return err
		}
	}
	p.planDisownLog(l)
	return nil
}

// planDisownRules plans that rules which stay become root's. If they cannot, nothing goes: the next owner of the ID could read them.
func (p *Plan) planDisownRules(l leaving) error {
	rules, err := p.leftRules(l)
	if err != nil || len(rules) == 0 {
		return err
	}
	p.add("change", configFolder, fmt.Sprintf("what stays there becomes root's, since %s goes", policies.UserName), func() (func() error, error) {
		var undos []func() error
		for _, file := range rules {
			undo, err := l.giveToRoot(file)
			if err != nil {
				return nil, errors.Join(err, inReverse(undos)())
			}
			undos = append(undos, undo)
		}
		return inReverse(undos), nil
	})
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
