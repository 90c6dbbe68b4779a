//go:build linux

package installer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/policies"
)

// The user is written as systemd-sysusers writes one: by rename, under the lock of lckpwdf(3) that all programs which edit these
// files take. So it is the same for a running system of any distribution and for an image, and what is added can be taken away
// again to the byte.
const (
	passwdFile  = "/etc/passwd"
	shadowFile  = "/etc/shadow"
	groupFile   = "/etc/group"
	gshadowFile = "/etc/gshadow"
	lockFile    = "/etc/.pwd.lock"
	lockTimeout = 15 * time.Second // as lckpwdf(3)
)

// account is the user that sshd runs the verifier as.
type account struct {
	name     string
	uid, gid int
	shell    string // of one who was there
}

// planAccount finds the user as whom sshd runs the verifier, and plans the group and the user that are missing.
func (p *Plan) planAccount() (account, error) {
	asked, err := p.askedUser()
	if err != nil {
		return account{}, err
	}
	p.user = cmp.Or(asked.name, policies.UserName)
	if p.user != policies.UserName {
		a, err := asked.account(p.host)
		if err == nil {
			p.remarkShell(a)
		}
		return a, err
	}
	passwd, err := p.host.readFile(passwdFile)
	if err != nil {
		return account{}, err
	}
	group, err := p.host.readFile(groupFile)
	if err != nil {
		return account{}, err
	}
	user, found, err := p.host.findEntry("passwd", passwd, policies.UserName)
	if err != nil {
		return account{}, err
	}
	if found {
		a, err := userIDs(user)
		a.name = policies.UserName
		if err == nil && a.uid == 0 {
			err = &Refusal{Path: passwdFile, Detail: policies.UserName + " is root: expected a user without rights"}
		}
		return a, err
	}
	var a account
	groupEntry, groupFound, err := p.host.findEntry("group", group, policies.UserName)
	if err != nil {
		return account{}, err
	}
	id, err := p.host.freeID(passwd, group)
	if err != nil {
		return account{}, err
	}
	a = account{name: policies.UserName, uid: id, gid: id}
	if groupFound {
		if a.gid, err = column(groupEntry, 2); err != nil {
			return account{}, &Refusal{Path: groupFile, Detail: err.Error()}
		}
	} else {
		line := fmt.Sprintf("%s:x:%d:", policies.UserName, id)
		p.after.set(entry{Kind: madeGroup, Path: policies.UserName, Value: line})
		p.add("create", "group "+policies.UserName, "who may read the rules", func() (func() error, error) {
			return p.host.addEntries([]accountLine{{gshadowFile, policies.UserName + ":!*::"}, {groupFile, line}})
		})
	}
	shell := p.host.firstOf("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")
	if shell == "" {
		shell = "/usr/sbin/nologin"
	}
	line := fmt.Sprintf("%s:x:%d:%d:OpenID Connect logins:/nonexistent:%s", policies.UserName, a.uid, a.gid, shell)
	// A password that fits nothing, changed today: 0 would mean that it has expired, for which sudo refuses the user.
	shadow := fmt.Sprintf("%s:!*:%d::::::", policies.UserName, time.Now().Unix()/(24*60*60))
	p.after.set(entry{Kind: madeUser, Path: policies.UserName, Value: line})
	p.add("create", "user "+policies.UserName, "sshd runs the verifier as a user without rights", func() (func() error, error) {
		return p.host.addEntries([]accountLine{{shadowFile, shadow}, {passwdFile, line}})
	})
	return a, nil
}

// accountFiles are the files with a line for the account, passwd or group first.
func accountFiles(k kind) []string {
	if k == madeGroup {
		return []string{groupFile, gshadowFile}
	}
	return []string{passwdFile, shadowFile}
}

// accountStays says why a user or group is kept, or "": only one that is as it was made, or not there any more, goes.
func (p *Plan) accountStays(e entry) (why string, err error) {
	if e.Kind == madeGroup {
		passwd, err := p.host.readFile(passwdFile)
		if err != nil {
			return "", err
		}
		user, made := p.before.find(madeUser, e.Path)
		if line, found := findLine(passwd, e.Path); found && (!made || line != user.Value) {
			return ", since the user is", nil
		}
	}
	file := accountFiles(e.Kind)[0]
	data, err := p.host.readFile(file)
	if err != nil {
		return "", err
	}
	if line, found := findLine(data, e.Path); found && line != e.Value {
		return fmt.Sprintf(": its line in %s was changed since", file), nil
	}
	return "", nil
}

// planRemoveAccount plans to remove a user or group that is as it was made.
func (p *Plan) planRemoveAccount(e entry) error {
	why, err := p.accountStays(e)
	if err != nil {
		return err
	}
	if why != "" {
		p.remark("%s %s: kept%s", e.Kind, e.Path, why)
		return nil
	}
	files := accountFiles(e.Kind)
	data, err := p.host.readFile(files[0])
	if err != nil {
		return err
	}
	if _, found := findLine(data, e.Path); found {
		p.add("remove", string(e.Kind)+" "+e.Path, "it was made for the verifier", func() (func() error, error) {
			return p.host.removeEntries(files, e)
		})
	}
	return nil
}

// accountLine is a line to add to a file of accounts.
type accountLine struct{ file, line string }

func (l accountLine) isShadow() bool { return l.file == shadowFile || l.file == gshadowFile }

// addEntries adds lines in their order: that of passwd or group last, which makes the account. sudo refuses a user who is in passwd alone.
func (h *host) addEntries(lines []accountLine) (undo func() error, err error) {
	return h.editAccounts(func() (undos []func() error, err error) {
		for _, l := range lines {
			undo, err := h.editFile(l.file, func(old []byte) ([]byte, error) {
				name, _, _ := strings.Cut(l.line, ":")
				if l.isShadow() {
					// One without its account is left of a crash, or of somebody whose password must not become this one's.
					return withLine(withoutLines(old, name), l.line), nil
				}
				if _, found := findLine(old, name); found {
					return nil, fmt.Errorf("%s is there by now", name)
				}
				if id, err := column(l.line, 2); err != nil || idsIn(old)[id] {
					return nil, errors.Join(err, changedMeanwhile(l.file)) // two with one ID are one to the kernel
				}
				return withLine(old, l.line), nil
			}, func(now []byte) ([]byte, error) {
				name, _, _ := strings.Cut(l.line, ":")
				if line, found := findLine(now, name); found && line != l.line {
					return nil, staysChanged(l.file + ": " + name)
				}
				return withoutLines(now, name), nil
			})
			if errors.Is(err, fs.ErrNotExist) && l.isShadow() {
				continue
			}
			if err != nil {
				return undos, err
			}
			undos = append(undos, undo)
		}
		return undos, nil
	})
}

// idsIn are those that lines of passwd(5) or group(5) have.
func idsIn(files ...[]byte) map[int]bool {
	ids := map[int]bool{}
	for _, data := range files {
		for line := range strings.Lines(string(data)) {
			if id, err := column(strings.TrimSpace(line), 2); err == nil {
				ids[id] = true
			}
		}
	}
	return ids
}

func (h *host) removeEntries(files []string, e entry) (undo func() error, err error) {
	return h.editAccounts(func() (undos []func() error, err error) {
		for _, file := range files {
			var removed string
			undo, err := h.editFile(file, func(old []byte) (_ []byte, err error) {
				line, found := findLine(old, e.Path)
				if found && file == files[0] && line != e.Value {
					return nil, changedMeanwhile(file)
				}
				removed = line
				return withoutLines(old, e.Path), nil
			}, func(now []byte) ([]byte, error) {
				if _, found := findLine(now, e.Path); found || removed == "" {
					return now, nil
				}
				return withLine(now, removed), nil
			})
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return undos, err
			}
			undos = append(undos, undo)
		}
		return undos, nil
	})
}

// withLine adds a line at the end, or before a last line that has no end: so it can be taken away again to the byte.
func withLine(data []byte, line string) []byte {
	return slices.Insert(slices.Clone(data), bytes.LastIndexByte(data, '\n')+1, []byte(line+"\n")...)
}

// withoutLines leaves out the lines of a name.
func withoutLines(data []byte, name string) []byte {
	var kept []byte
	for line := range bytes.Lines(data) {
		if !bytes.HasPrefix(line, []byte(name+":")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// editAccounts edits under the lock. Of edits of which a later one fails nothing stays.
func (h *host) editAccounts(edit func() ([]func() error, error)) (undo func() error, err error) {
	unlock, err := h.lockAccounts()
	if err != nil {
		return nil, err
	}
	defer unlock()
	undos, err := edit()
	back := inReverse(undos)
	if err != nil {
		return nil, errors.Join(err, back())
	}
	return func() error {
		unlock, err := h.lockAccounts()
		if err != nil {
			return err
		}
		defer unlock()
		return back()
	}, nil
}

// lockAccounts takes the lock of lckpwdf(3). Nobody else edits an image.
func (h *host) lockAccounts() (unlock func(), err error) {
	if h.image() {
		return func() {}, nil
	}
	file, err := os.OpenFile(lockFile, os.O_WRONLY|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(100 * time.Millisecond) {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &lock)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) || time.Now().After(deadline) {
			_ = file.Close()
			return nil, &fs.PathError{Op: "lock", Path: lockFile, Err: err}
		}
	}
}

// findLine finds the line of a name in passwd or group.
func findLine(data []byte, name string) (string, bool) {
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSuffix(line, "\n"), true
		}
	}
	return "", false
}

// findEntry looks into a file, and on a running system asks the other name services, too.
func (h *host) findEntry(database string, data []byte, key string) (line string, found bool, err error) {
	if line, found := findLine(data, key); found {
		return line, true, nil
	}
	return h.getent(database, key)
}

func (h *host) getent(database, key string) (line string, found bool, err error) {
	getent := program("getent")
	if h.image() || getent == "" {
		return "", false, nil
	}
	line, err = runProgram(getent, database, key)
	var exit *exec.ExitError
	const notFound = 2
	if errors.As(err, &exit) && exit.ExitCode() == notFound {
		return "", false, nil
	}
	return line, err == nil, err
}

// freeID finds an ID for a system user that neither a user nor a group has, the highest first, as useradd(8) does. Somebody
// else's would give them the cache of the providers' keys.
func (h *host) freeID(passwd, group []byte) (int, error) {
	lowest, highest := h.systemIDs()
	taken := idsIn(passwd, group)
	for id := highest; id >= lowest; id-- {
		if taken[id] {
			continue
		}
		_, user, err := h.getent("passwd", strconv.Itoa(id))
		if err != nil {
			return 0, err
		}
		_, group, err := h.getent("group", strconv.Itoa(id))
		if err != nil {
			return 0, err
		}
		if !user && !group {
			return id, nil
		}
	}
	return 0, &Refusal{Path: passwdFile, Detail: fmt.Sprintf("no free user ID from %d to %d", lowest, highest)}
}

// systemIDs is the range of login.defs(5).
func (h *host) systemIDs() (lowest, highest int) {
	lowest, highest = 100, 999
	data, err := h.readFile("/etc/login.defs")
	if err != nil {
		return lowest, highest
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) != 2 {
			continue
		}
		id, err := strconv.Atoi(words[1])
		switch {
		case err != nil || id <= 0:
		case words[0] == "SYS_UID_MIN":
			lowest = id
		case words[0] == "SYS_UID_MAX":
			highest = id
		}
	}
	return lowest, highest
}

func userIDs(line string) (account, error) {
	uid, err := column(line, 2)
	if err != nil {
		return account{}, &Refusal{Path: passwdFile, Detail: err.Error()}
	}
	gid, err := column(line, 3)
	if err != nil {
		return account{}, &Refusal{Path: passwdFile, Detail: err.Error()}
	}
	return account{uid: uid, gid: gid}, nil
}

// column reads a number in a line of passwd(5) or group(5).
func column(line string, i int) (int, error) {
	columns := strings.Split(line, ":")
	if len(columns) <= i {
		return 0, fmt.Errorf("expected more columns, got %q", line)
	}
	id, err := strconv.ParseUint(columns[i], 10, 31)
	if err != nil {
		return 0, fmt.Errorf("expected a number in column %d, got %q", i+1, line)
	}
	return int(id), nil
}
