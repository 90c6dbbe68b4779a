//go:build linux

package installer

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// PlanUninstall says how to take back what installations have made. What was changed since is kept and named, unless o.Purge
// says otherwise; what sshd would go on to use is a [*Refusal] then.
func PlanUninstall(o Options) (*Plan, error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	if err := p.planUninstall(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Plan) planUninstall(o Options) error {
	// sshd forgets us before anything else goes: its configuration was the last to be made.
	made := slices.Clone(p.before.Made)
	slices.Reverse(made)
	slices.SortStableFunc(made, func(a, b entry) int { return rank(a) - rank(b) })
	var other *otherVerifier
	if !o.Purge {
		var err error
		if other, err = p.otherVerifier(); err != nil {
			return err
		}
	}
	var kept []string
	disowned := false
	for _, e := range made {
		if other != nil && e.neededBy(other) {
			kept = append(kept, e.name())
			continue
		}
		if e.isAccount() && !disowned {
			disowned = true
			if err := p.planDisown(o.Purge && !p.rulesLinked()); err != nil {
				return err
			}
		}
		p.after.remove(e)
		if err := p.planRemove(e, o); err != nil {
			return err
		}
	}
	if o.Purge {
		if err := p.planPurge(); err != nil {
			return err
		}
	}
	p.nameLostLog()
	p.remarkKept(other, kept)
	return p.checkForgotten()
}

// rank puts first what lets people in, and last what cannot be made anew if something fails.
func rank(e entry) int {
	switch {
	case e.isSSHD():
		return 0
	case e.Kind == madeCache:
		return 2
	}
	return 1
}

func (e entry) isSSHD() bool { return e.Kind == madeBlock || e.Kind == madeFile && e.Path == dropIn }

func (e entry) isAccount() bool { return e.Kind == madeUser || e.Kind == madeGroup }

func (p *Plan) planRemove(e entry, o Options) error {
	first := len(p.Steps)
	switch e.Kind {
	case madeBlock:
		if err := p.planRemoveBlock(e, o.Purge); err != nil {
			return err
		}
	case madeFile:
		if e.Path == unitFolder+"/"+timerUnit {
			p.planStopTimer()
		}
		if err := p.planRemoveFile(e, o.Purge, "verifier install made it"); err != nil {
			return err
		}
	case madeLink:
		return p.planRemoveLink(e)
	case madeFolder:
		return p.planRemoveFolder(e, o.Purge)
	case madeCache:
		p.planRemoveTree(e.Path, "only copies of the providers' keys are in it")
		return nil
	case madeUser, madeGroup:
		return p.planRemoveAccount(e)
	case madeModule:
		p.planRemoveModule(e)
		return nil
	default:
		return &Refusal{Path: ManifestPath, Detail: "unknown kind " + string(e.Kind), Hint: "use a newer verifier"}
	}
	if e.isSSHD() && len(p.Steps) > first {
		return p.planSSHDReload(first, !o.NoReload, "sshd asks nothing that goes, or all is taken back", p.confirmForgotten)
	}
	return nil
}

// planRemoveFile plans to remove a file that is as it was made, and with purge any.
func (p *Plan) planRemoveFile(e entry, purge bool, reason string) error {
	data, err := p.host.readFile(e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		p.after.remove(e)
		return nil
	}
	if err != nil {
		return err
	}
	if fingerprint(data) != e.Value && !purge {
		if e.isSSHD() {
			return changedSSHD(e.Path)
		}
		p.remark("%s: kept: it was changed since verifier install wrote it", e.Path)
		return nil
	}
	p.after.remove(e)
	p.add("remove", e.Path, reason, p.host.removal(e.Path, fingerprint(data)))
	return nil
}

func (p *Plan) planRemoveLink(e entry) error {
	name, err := p.host.path(e.Path)
	if err != nil {
		return err
	}
	target, err := os.Readlink(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil || target != e.Value:
		p.remark("%s: kept: it was changed since verifier install made it", e.Path)
		return nil
	}
	p.add("remove", e.Path, "verifier install made it", func() (func() error, error) {
		if now, err := os.Readlink(name); err != nil || now != target {
			return nil, errors.Join(changedMeanwhile(e.Path), err)
		}
		return func() error { return os.Symlink(target, name) }, os.Remove(name)
	})
	return nil
}

// planRemoveFolder plans to remove a folder in which nothing will be left.
func (p *Plan) planRemoveFolder(e entry, purge bool) error {
	name, err := p.host.path(e.Path)
	if err != nil {
		return err
	}
	if purge && e.Path == configFolder {
		return nil
	}
	entries, err := os.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, left := range entries {
		child := path.Join(e.Path, left.Name())
		if !p.removes(child) {
			p.remark("%s: kept: %s is in it", e.Path, left.Name())
			return nil
		}
	}
	p.add("remove", e.Path, "verifier install made it", func() (func() error, error) {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
		}
		o := owner{uid: int(st.Uid), gid: int(st.Gid), mode: fs.FileMode(st.Mode) & fs.ModePerm}
		return func() error {
			_, err := p.host.makeFolder(e.Path, o)
			return err
		}, removeFolder(name)
	})
	return nil
}

// removes is whether a step of the plan so far removes path.
func (p *Plan) removes(path string) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Action == "remove" && s.Path == path })
}

// rulesLinked is whether the rules are in another folder, to which /etc/opk leads. Nobody here has made that.
func (p *Plan) rulesLinked() bool {
	info, err := p.host.lstat(configFolder)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// planPurge plans that all rules go, or says where they are left.
func (p *Plan) planPurge() error {
	if !p.rulesLinked() {
		p.planRemoveTree(configFolder, "all rules go: --purge")
		return nil
	}
	name, err := p.host.path(configFolder)
	if err != nil {
		return err
	}
	target, err := os.Readlink(name)
	if err != nil {
		return err
	}
	p.remark("%s: kept: it is a link to %s, where all stays that verifier install has not made", configFolder, target)
	return nil
}

// planRemoveTree plans to remove a folder with all that is in it.
func (p *Plan) planRemoveTree(name, reason string) {
	tree, err := p.host.path(name)
	if err != nil || !p.host.exists(name) {
		return
	}
	p.add("remove", name, reason, func() (func() error, error) { return nil, os.RemoveAll(tree) })
}
