//go:build unix

package hostfiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// layoutWalk is one run of Plan or Apply.
type layoutWalk struct {
	*Layout
	create, apply bool
	groups        []uint32      // of the user
	log           string        // LogFile without symbolic links, or ""
	waited        time.Duration // for leases
	changes       []Change
}

func (l *Layout) walk(create, apply bool) []Change {
	w := &layoutWalk{Layout: l, create: create, apply: apply, groups: l.User.Groups()}
	if l.LogFile != "" {
		w.log, _ = resolveOwned(l.LogFile, nil)
	}
	w.configFolder()
	w.cacheFolder()
	if l.LogFile != "" {
		w.logFile()
	}
	return w.changes
}

func (w *layoutWalk) problem(path, problem, hint string) {
	w.changes = append(w.changes, Change{Path: path, Problem: problem, Hint: hint})
}

func (w *layoutWalk) fault(path string, err error) {
	var fault *Fault
	if errors.As(err, &fault) {
		w.problem(fault.Path, fmt.Sprintf("%s: expected %s, got %s", fault.Detail, fault.Expected, fault.Got), fault.Hint)
		return
	}
	var wrong *fs.PathError
	if errors.As(err, &wrong) {
		err = wrong.Err
	}
	w.problem(path, err.Error(), "")
}

// resolve gives path without symbolic links. Nobody but root can change what stands above it; nothing is said of itself yet.
func (w *layoutWalk) resolve(path string) (resolved string, ok bool) {
	absolute, err := absolutePath(path)
	if err == nil {
		resolved, err = resolveForEdit(absolute, nil)
	}
	if err != nil {
		w.fault(path, err)
		return "", false
	}
	return resolved, true
}

// want is what an item should be.
type want struct {
	uid      uint32
	folder   bool
	readable bool        // by the user
	mode     fs.FileMode // of one that is made
}

func (w *layoutWalk) configFolder() {
	path, ok := w.resolve(w.ConfigDir)
	if !ok {
		return
	}
	folder := w.openItem(unix.AT_FDCWD, path, path, want{folder: true, readable: true, mode: 0o750})
	if folder == nil {
		return
	}
	defer func() { _ = folder.Close() }()
	for _, name := range w.names(folder, path) {
		inside := filepath.Join(path, name)
		if inside == w.log || inside == w.LogFile {
			continue // see logFile
		}
		switch name {
		case "providers", "auth_id", "config.yml":
			w.item(folder, name, inside, want{readable: true})
		case "providers.d", "auth_id.d":
			w.dropIns(folder, name, inside, ".conf")
		case "policy.d":
			w.dropIns(folder, name, inside, ".yml")
		default:
			// Certificate authorities, tests, whatever config.yml names: nobody else may write them, who reads them is not ours to say.
			if !strings.HasPrefix(name, ".") {
				w.otherItem(folder, name, inside)
			}
		}
	}
}

func (w *layoutWalk) dropIns(parent *os.File, name, path, suffix string) {
	folder := w.openItem(int(parent.Fd()), name, path, want{folder: true, readable: true})
	if folder == nil {
		return
	}
	defer func() { _ = folder.Close() }()
	for _, name := range w.names(folder, path) {
		if strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".") {
			w.item(folder, name, filepath.Join(path, name), want{readable: true})
		}
	}
}

func (w *layoutWalk) item(parent *os.File, name, path string, want want) {
	if file := w.openItem(int(parent.Fd()), name, path, want); file != nil {
		_ = file.Close()
	}
}

func (w *layoutWalk) otherItem(parent *os.File, name, path string) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	w.item(parent, name, path, want{})
}

func (w *layoutWalk) names(folder *os.File, path string) []string {
	names, err := folder.Readdirnames(-1)
	if err != nil {
		w.fault(path, err)
	}
	slices.Sort(names)
	return names
}

const openItem = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// openItem opens a file or folder, brings it to what is wanted, and gives it, or nil.
func (w *layoutWalk) openItem(parent int, name, path string, want want) *os.File {
	var st unix.Stat_t
	err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return w.missing(parent, name, path, want)
	}
	if err != nil {
		w.fault(path, err)
		return nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		w.link(path)
		return nil
	}
	if !w.isKind(&st, path, want) {
		return nil
	}
	fd, err := unix.Openat(parent, name, openItem, 0)
	if errors.Is(err, unix.EAGAIN) {
		fd, err = w.openLeased(parent, name)
	}
	if errors.Is(err, unix.EAGAIN) {
		w.problem(path, "another program has a lease on it (fcntl(2)), and would have to be waited for", "end that program, see fuser(1), or remove the file")
		return nil
	}
	if err != nil {
		w.fault(path, err)
		return nil
	}
	file := os.NewFile(uintptr(fd), path)
	// What is open is what counts, whatever the name stood for a moment ago.
	if err := unix.Fstat(fd, &st); err != nil {
		w.fault(path, err)
	} else if w.isKind(&st, path, want) {
		w.mend(file, &st, path, want)
	}
	return file
}

// maxLeaseWait is when no more leases are waited for: Linux takes one away after 45 s, and there may be many.
const maxLeaseWait = 30 * time.Second

// openLeased is for a file that somebody has a lease on, which keeps it from being opened. To look at it needs no more than its inode. To
// mend it, it is waited for, since its owner must not keep root from that.
func (w *layoutWalk) openLeased(parent int, name string) (int, error) {
	if w.waited > maxLeaseWait {
		return -1, unix.EAGAIN
	}
	started := time.Now()
	defer func() { w.waited += time.Since(started) }()
	return openLeased(parent, name, w.apply)
}

func (w *layoutWalk) isKind(st *unix.Stat_t, path string, want want) bool {
	kind, expected := uint32(unix.S_IFREG), "a regular file"
	if want.folder {
		kind, expected = unix.S_IFDIR, "a directory"
	}
	if uint32(st.Mode)&unix.S_IFMT == kind {
		return true
	}
	w.problem(path, fmt.Sprintf("expected %s, got %s", expected, fileKind(uint32(st.Mode))), "")
	return false
}

// link is for what a login follows, since root made it: what is behind it stands elsewhere, and is only looked at.
func (w *layoutWalk) link(path string) {
	err := CheckSystemIn("/", path)
	var fault *Fault
	if errors.As(err, &fault) && fault.Hint == anewHint {
		fault.Hint = copyHint // this command does not mend it
	}
	if err != nil {
		w.fault(path, err)
	}
}

func (w *layoutWalk) missing(parent int, name, path string, want want) *os.File {
	if !w.create || want.mode == 0 {
		return nil
	}
	gid := w.User.GID
	c := Change{Path: path, Kind: ChangeCreate, To: fmt.Sprintf("uid %d, gid %d, %04o", want.uid, gid, want.mode)}
	var file *os.File
	if w.apply {
		var err error
		if file, err = createItem(parent, name, want, gid); err != nil {
			c.Problem = err.Error()
		}
	}
	w.changes = append(w.changes, c)
	return file
}

// createItem makes a folder or file that nobody but root has a hand on until it is as it should be.
func createItem(parent int, name string, want want, gid uint32) (*os.File, error) {
	flags := openItem
	if want.folder {
		if err := unix.Mkdirat(parent, name, 0o700); err != nil {
			return nil, err
		}
	} else {
		flags |= unix.O_CREAT | unix.O_EXCL
	}
	fd, err := unix.Openat(parent, name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	if err := unix.Fchown(fd, int(want.uid), int(gid)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := unix.Fchmod(fd, uint32(want.mode)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// mend compares owner, group and mode with what is wanted.
func (w *layoutWalk) mend(file *os.File, st *unix.Stat_t, path string, want want) {
	mode := uint32(st.Mode) & 0o7777
	owner, group, bits := st.Uid, st.Gid, mode&^0o022
	suspect := st.Uid != 0 && st.Uid != want.uid || mode&0o022 != 0
	if suspect && !want.folder {
		bits &= 0o777 // a program that runs as its owner must not become root's
	}
	if st.Uid != want.uid {
		owner = want.uid
	}
	if want.readable && !hasAccessList(file) {
		need := uint32(0o4)
		if want.folder {
			need = 0o5
		}
		inGroup := slices.Contains(w.groups, st.Gid)
		switch {
		case w.User.UID == 0, bits&need == need, inGroup && bits>>3&need == need:
		case inGroup:
			bits |= need << 3
		case st.Uid == want.uid && st.Gid != 0:
			hint := fmt.Sprintf("chgrp %d %s; chmod g+r %s", w.User.GID, shellQuote(path), shellQuote(path))
			if CheckSystemIn("/", filepath.Dir(path)) != nil {
				hint = "verifier permissions fix, and look again: others can put another file there until then"
			}
			w.problem(path, fmt.Sprintf("the user %s cannot read it: expected a group of that user, got gid %d", w.User.Name, st.Gid), hint)
			return
		default:
			group, bits = w.User.GID, bits|need<<3
		}
	}
	if owner == st.Uid && group == st.Gid && bits == mode {
		return
	}
	if !want.folder && st.Nlink > 1 {
		w.problem(path, "it has several names (hard links): somebody may mean another file", "look at it, and make a copy in its place")
		return
	}
	if !want.folder && suspect && st.Size > MaxSize {
		w.problem(path, fmt.Sprintf("size: expected at most 64 MiB, got %d bytes", st.Size), "look at it, and make a copy in its place")
		return
	}
	var err error
	switch {
	case !w.apply:
	case suspect && !want.folder:
		err = putAnew(file, st, path, access{owner, group, fs.FileMode(bits), path})
	default:
		// The owner first: a change of owner takes bits from the mode.
		if owner != st.Uid || group != st.Gid {
			err = unix.Fchown(int(file.Fd()), int(owner), int(group))
		}
		if err == nil {
			err = unix.Fchmod(int(file.Fd()), bits)
		}
	}
	add := func(kind ChangeKind, differs bool, from, to string) {
		if !differs {
			return
		}
		c := Change{Path: path, Kind: kind, From: from, To: to, Suspect: suspect}
		if err != nil {
			c.Problem = err.Error()
		}
		w.changes = append(w.changes, c)
	}
	add(ChangeOwner, owner != st.Uid, fmt.Sprintf("uid %d", st.Uid), fmt.Sprintf("uid %d", owner))
	add(ChangeGroup, group != st.Gid, fmt.Sprintf("gid %d", st.Gid), fmt.Sprintf("gid %d", group))
	add(ChangeMode, bits != mode, fmt.Sprintf("%04o", mode), fmt.Sprintf("%04o", bits))
}

// putAnew puts a copy in the place of a file that others could write. Whoever has the old one open can go on to write that one, which
// has no name any more: a change of its owner and mode would leave their hand on it.
func putAnew(file *os.File, st *unix.Stat_t, path string, a access) error {
	unlock, err := Lock(path, lockPatience)
	if err != nil {
		return err
	}
	defer unlock()
	// As much as was there: whoever writes it meanwhile must not make this endless.
	data, err := io.ReadAll(io.LimitReader(file, st.Size))
	if err != nil {
		return err
	}
	temporary, err := writeBeside(path, data, a)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }()
	if now, exists, err := statForEdit(path); err != nil || !exists || now.Dev != st.Dev || now.Ino != st.Ino || now.Nlink != 1 {
		return errors.Join(&fs.PathError{Op: "replace", Path: path, Err: ErrChanged}, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// isCacheFile knows what the verifier keeps in its cache folder.
func isCacheFile(name string) bool { return name == "logged" || strings.HasPrefix(name, "provider-") }

// cacheFolder: as soon as the folder is the user's, names in it are theirs to choose. Nothing in it is given to anybody, and what
// is not theirs is removed by its name.
func (w *layoutWalk) cacheFolder() {
	path, ok := w.resolve(w.CacheDir)
	if !ok {
		return
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); errors.Is(err, fs.ErrNotExist) {
		if file := w.missing(unix.AT_FDCWD, path, path, want{uid: w.User.UID, folder: true, mode: 0o700}); file != nil {
			_ = file.Close()
		}
		return
	}
	fd, err := unix.Open(path, openItem|unix.O_DIRECTORY, 0)
	if err != nil {
		w.fault(path, err)
		return
	}
	folder := os.NewFile(uintptr(fd), path)
	defer func() { _ = folder.Close() }()
	if err := unix.Fstat(fd, &st); err != nil {
		w.fault(path, err)
		return
	}
	names := w.names(folder, path)
	if i := slices.IndexFunc(names, func(name string) bool { return !isCacheFile(name) }); i >= 0 && st.Uid != w.User.UID {
		w.problem(path, fmt.Sprintf("expected a folder with nothing but the verifier's files, got %+q in it", names[i]), "name another folder as the cache")
		return
	}
	w.mendCache(folder, &st, path)
	for _, name := range names {
		if isCacheFile(name) {
			w.cacheFile(folder, name, filepath.Join(path, name))
		}
	}
}

func (w *layoutWalk) mendCache(folder *os.File, st *unix.Stat_t, path string) {
	const wanted = 0o700
	mode := uint32(st.Mode) & 0o7777
	var err error
	if w.apply && st.Uid != w.User.UID {
		err = unix.Fchown(int(folder.Fd()), int(w.User.UID), int(w.User.GID))
	}
	if w.apply && err == nil && mode != wanted {
		err = unix.Fchmod(int(folder.Fd()), wanted)
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if st.Uid != w.User.UID {
		w.changes = append(w.changes, Change{Path: path, Kind: ChangeOwner, From: fmt.Sprintf("uid %d", st.Uid), To: fmt.Sprintf("uid %d", w.User.UID), Problem: problem})
	}
	if mode != wanted {
		w.changes = append(w.changes, Change{Path: path, Kind: ChangeMode, From: fmt.Sprintf("%04o", mode), To: fmt.Sprintf("%04o", wanted), Problem: problem})
	}
}

func (w *layoutWalk) cacheFile(folder *os.File, name, path string) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(folder.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return // gone by now
	}
	from := ""
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		from = fileKind(uint32(st.Mode))
	case st.Uid != w.User.UID:
		from = fmt.Sprintf("uid %d", st.Uid)
	case st.Mode&0o022 != 0:
		from = fmt.Sprintf("%04o", uint32(st.Mode)&0o7777)
	default:
		return
	}
	c := Change{Path: path, Kind: ChangeRemove, From: from}
	if w.apply {
		if err := unix.Unlinkat(int(folder.Fd()), name, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Problem = err.Error()
		}
	}
	w.changes = append(w.changes, c)
}

// logFile is made where root alone can make files. One that is there may be another program's, too: that is only said.
func (w *layoutWalk) logFile() {
	var st unix.Stat_t
	switch err := unix.Lstat(w.LogFile, &st); {
	case errors.Is(err, fs.ErrNotExist):
		w.missingLog()
	case err != nil:
		w.fault(w.LogFile, err)
	case w.isKind(&st, w.LogFile, want{}) && !w.mayWrite(&st):
		w.problem(w.LogFile, fmt.Sprintf("the user %s cannot write it: got uid %d, gid %d, %04o", w.User.Name, st.Uid, st.Gid, uint32(st.Mode)&0o7777),
			w.logHint())
	}
}

// logHint gives a command for a file that system services alone could have put there: /var/log is often a group's, such as syslog's.
func (w *layoutWalk) logHint() string {
	var st unix.Stat_t
	folder := filepath.Dir(w.LogFile)
	if err := unix.Stat(folder, &st); err != nil || st.Uid != 0 || st.Mode&0o002 != 0 || CheckSystemIn("/", filepath.Dir(folder)) != nil {
		return "name a log in a folder of root's: others can put another file there"
	}
	return fmt.Sprintf("if nothing else writes it: chown -h %d %s", w.User.UID, shellQuote(w.LogFile))
}

func (w *layoutWalk) missingLog() {
	var st unix.Stat_t
	if err := unix.Stat(filepath.Dir(w.LogFile), &st); err == nil && w.mayWrite(&st) {
		return // the user makes it
	}
	if !w.create {
		w.problem(w.LogFile, fmt.Sprintf("it is missing, and the user %s cannot make it there", w.User.Name), "verifier permissions install")
		return
	}
	path, err := resolveForEdit(w.LogFile, nil)
	if err != nil {
		w.fault(w.LogFile, err)
		return
	}
	if file := w.missing(unix.AT_FDCWD, path, path, want{uid: w.User.UID, mode: 0o600}); file != nil {
		_ = file.Close()
	}
}

func (w *layoutWalk) mayWrite(st *unix.Stat_t) bool {
	switch {
	case w.User.UID == 0:
		return true
	case st.Uid == w.User.UID:
		return st.Mode&0o200 != 0
	case slices.Contains(w.groups, st.Gid):
		return st.Mode&0o020 != 0
	}
	return st.Mode&0o002 != 0
}
