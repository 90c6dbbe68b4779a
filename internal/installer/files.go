//go:build linux

package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"opkssh/internal/hostfiles"
)

// planFile plans a file. One that is there and was not made by an installation, or was changed since, stays. Of seeds, which the
// administrator is meant to change, none is ever replaced.
func (p *Plan) planFile(name, text string, o owner, reason string, seed bool) error {
	e, ours := p.before.find(madeFile, name)
	old, err := p.host.readFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !p.host.exists(name):
		p.planFolders(path.Dir(name))
		p.after.set(entry{Kind: madeFile, Path: name, Value: fingerprint([]byte(text))})
		p.add("create", name, reason, p.host.write(name, []byte(text), o, ""))
		return nil
	case err != nil:
		return err
	case seed:
		return nil
	case string(old) == text:
		p.planRoots(name, old, o)
		return nil
	case !ours:
		p.remark("%s: kept: it is not of verifier install", name)
		return nil
	case e.Value != fingerprint(old):
		p.remark("%s: kept: it was changed since verifier install wrote it", name)
		return nil
	}
	p.after.set(entry{Kind: madeFile, Path: name, Value: fingerprint([]byte(text))})
	p.add("replace", name, reason, p.host.write(name, []byte(text), o, fingerprint(old)))
	return nil
}

// planRoots plans to write a file anew that is as it should be and which others than root could change. Where its folder is theirs, that would
// be in vain.
func (p *Plan) planRoots(name string, data []byte, o owner) {
	if hostfiles.CheckSystemIn(p.host.root, path.Dir(name)) != nil {
		return
	}
	if err := hostfiles.CheckSystemIn(p.host.root, name); err != nil {
		p.add("replace", name, fmt.Sprintf("as it is, others than root could change it: %v", err), p.host.write(name, data, o, fingerprint(data)))
	}
}

// planFolder plans a folder if it is not there.
func (p *Plan) planFolder(name string, o owner, k kind, reason string) {
	planned := slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Path == name })
	if planned || p.host.firstOf(name) != "" {
		return
	}
	p.after.set(entry{Kind: k, Path: name})
	p.add("create", name, reason, func() (func() error, error) { return p.host.makeFolder(name, o) })
}

// planFolders plans the folders of the system that are missing on the way to one, and that one.
func (p *Plan) planFolders(name string) {
	if name == "/" {
		return
	}
	p.planFolders(path.Dir(name))
	p.planFolder(name, owner{mode: 0o755}, madeFolder, "a folder that the system does not have")
}

// planLink plans a symbolic link.
func (p *Plan) planLink(name, target, reason string) error {
	if p.host.exists(name) {
		return nil
	}
	p.planFolders(path.Dir(name))
	p.after.set(entry{Kind: madeLink, Path: name, Value: target})
	p.add("create", name, reason, func() (func() error, error) {
		path, err := p.host.path(name)
		if err != nil {
			return nil, err
		}
		return func() error {
			if now, err := os.Readlink(path); err != nil || now != target {
				return errors.Join(staysChanged(name), err)
			}
			return os.Remove(path)
		}, os.Symlink(target, path)
	})
	return nil
}
