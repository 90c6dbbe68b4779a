//go:build linux

package installer

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"opkssh/policies"
)

// hostLog is the log that config.yml names.
type hostLog struct {
	name   string // for the host, or "" where it names none
	folder string // where that is, with links followed
}

func (p *Plan) hostLog() (hostLog, error) {
	config, err := p.hostConfig()
	if err != nil || !path.IsAbs(config.Log.To) {
		return hostLog{}, err
	}
	folder, err := p.host.follow(path.Dir(config.Log.To))
	if errors.Is(err, unix.ELOOP) {
		return hostLog{}, nil // nothing could ever be logged there
	}
	return hostLog{config.Log.To, folder}, err
}

// in is whether the log is in a folder of the host, and not only where that leads as a link.
func (l hostLog) in(p *Plan, folder string) bool {
	at, err := p.host.path(folder)
	return err == nil && l.name != "" && within(l.folder, at)
}

// files are the log and what became of it by rotation, such as NAME.1 and NAME-20260102, as far as they are of who goes, behind the folder
// if that is: its owner could put another log into its place.
func (l hostLog) files(who leaving) ([]string, error) {
	entries, err := os.ReadDir(l.folder)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, nil // nothing could ever be logged there
	case err != nil:
		return nil, err
	}
	var files []string
	add := func(name string, kind uint32) {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err == nil && st.Mode&unix.S_IFMT == kind && who.of(&st).any() {
			files = append(files, name)
		}
	}
	add(l.folder, unix.S_IFDIR)
	for _, entry := range entries {
		suffix, named := strings.CutPrefix(entry.Name(), path.Base(l.name))
		if named && (suffix == "" || suffix[0] == '.' || suffix[0] == '-') {
			add(filepath.Join(l.folder, entry.Name()), unix.S_IFREG)
		}
	}
	return files, nil
}

// seen is one of files as the host sees it.
func (l hostLog) seen(file string) string {
	folder := path.Dir(l.name)
	if file == l.folder {
		return folder
	}
	return path.Join(folder, filepath.Base(file))
}

// planDisownLog plans that the log becomes root's. It is not worth a host that is half taken back: what stays as it is becomes a remark.
func (p *Plan) planDisownLog(who leaving) {
	log, err := p.hostLog()
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		p.remark("%s: if it names a log, that is left as it is: %s", refusal.Path, refusal.Detail)
		return
	case err != nil:
		p.remark("%s: if it names a log, that is left as it is: %v", configFile, err)
		return
	}
	_, cacheGoes := p.before.find(madeCache, cacheFolder)
	if log.name == "" || log.in(p, configFolder) || cacheGoes && log.in(p, cacheFolder) {
		return // it goes with its tree, or is among the rules that stay
	}
	files, err := log.files(who)
	if err != nil {
		p.remarkLeft(log.name, "could not be looked at, and may be", who, err)
	}
	if len(files) == 0 {
		return
	}
	what := "it stays, and becomes root's, since " + policies.UserName + " goes"
	if files[0] == log.folder {
		what = "it stays, and becomes root's with its folder, since " + policies.UserName + " goes"
	}
	p.add("change", log.name, what, func() (func() error, error) {
		// It may have been rotated since.
		files, err := log.files(who)
		if err != nil {
			p.remarkLeft(log.name, "could not be looked at, and may be", who, err)
		}
		var undos []func() error
		for _, file := range files {
			undo, err := who.giveToRoot(file)
			switch {
			case err == nil:
				undos = append(undos, undo)
			case !errors.Is(err, fs.ErrNotExist):
				p.remarkLeft(log.seen(file), "left as it is:", who, err)
			}
		}
		return inReverse(undos), nil
	})
}

// remarkLeft names a log whose owner could not be changed.
func (p *Plan) remarkLeft(name, how string, who leaving, err error) {
	id := who.uid
	if id == nobody {
		id = who.gid
	}
	var fault *fs.PathError
	if errors.As(err, &fault) {
		err = fault.Err
	}
	p.remark("%s: %s of ID %d, which another user can get: %v", name, how, id, err)
}

// nameLostLog says of a tree that goes that the log is in it.
func (p *Plan) nameLostLog() {
	log, err := p.hostLog()
	if err != nil || log.name == "" || !p.host.exists(log.name) {
		return
	}
	i := slices.IndexFunc(p.Steps, func(s Step) bool {
		return s.Action == "remove" && (s.Path == configFolder || s.Path == cacheFolder) && log.in(p, s.Path)
	})
	if i >= 0 {
		p.Steps[i].Reason += ", and the log " + log.name + " goes with it"
	}
}
