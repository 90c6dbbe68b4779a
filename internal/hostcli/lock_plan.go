package hostcli

import (
	"fmt"
	"strings"

	"opkssh/pkg/policy"
)

// newConfigHeader begins a config.yml that was not there.
const newConfigHeader = "# who is kept out of this host: see verifier lock --help\n"

// lockPlan is what a command does to config.yml, one lock after the other.
type lockPlan struct {
	path    string
	locks   []policy.Lock
	unlock  bool
	reports []lockReport
	changes []string       // lines as diff -U0 writes them
	after   *policy.Config // what the file says in the end
}

// edit is for hostfiles.EditSystem: data is nil where there is no file.
func (p *lockPlan) edit(data []byte) ([]byte, error) {
	p.reports, p.changes = nil, nil
	original, err := policy.ParseConfig(p.path, data)
	if err != nil {
		return nil, err
	}
	if data == nil && !p.unlock {
		data = []byte(newConfigHeader)
	}
	for _, lock := range p.locks {
		before, err := policy.ParseConfig(p.path, data)
		if err != nil {
			return nil, err
		}
		change := policy.AddLock
		if p.unlock {
			change = policy.RemoveLock
		}
		edited, err := change(p.path, data, lock)
		if err != nil {
			return nil, err
		}
		existing := before.FindLock(lock)
		if p.unlock && len(existing) > 0 {
			existing = original.FindLock(lock) // an entry that is gone may have stood in front of it
		}
		p.report(existing, lock, string(edited) != string(data))
		p.changes = append(p.changes, changedLines(string(data), string(edited))...)
		data = edited
	}
	if p.after, err = policy.ParseConfig(p.path, data); err != nil {
		return nil, err
	}
	p.locate()
	return data, nil
}

func (p *lockPlan) report(existing []policy.Lock, lock policy.Lock, changed bool) {
	add := func(l policy.Lock, result string) {
		r := newLockReport(p.path, l)
		r.Result = result
		p.reports = append(p.reports, r)
	}
	switch {
	case p.unlock && len(existing) == 0:
		add(lock, "not-locked")
	case p.unlock:
		for _, l := range existing {
			add(l, "unlocked")
		}
	case changed:
		add(lock, "locked")
	default:
		add(existing[0], "already-locked")
	}
}

// locate gives the locks that are there now the lines on which they stand in the end.
func (p *lockPlan) locate() {
	if p.unlock {
		return
	}
	for i, r := range p.reports {
		if found := p.after.FindLock(r.lock); len(found) > 0 {
			p.reports[i].Line = found[0].Line
		}
	}
}

func (p *lockPlan) changed() bool { return len(p.changes) > 0 }

// others are the entries that still keep out those who have been unlocked.
func (p *lockPlan) others() []lockReport {
	var others []lockReport
	for _, left := range p.after.Locks() {
		for _, lock := range p.locks {
			if sameName(names(left), names(lock)) {
				others = append(others, newLockReport(p.path, left))
				break
			}
		}
	}
	return others
}

// names is the email or subject that a lock is about, or "".
func names(l policy.Lock) string {
	switch {
	case l.Kind == policy.LockEmail || l.Kind == policy.LockUntilNewLogin:
		return l.Name
	case l.Entry.Subject != "":
		return l.Entry.Subject
	case l.Entry.Claim == "email" || l.Entry.Claim == "sub":
		return l.Entry.Value
	}
	return ""
}

func sameName(a, b string) bool {
	return a != "" && (a == b || strings.Contains(a, "@") && strings.EqualFold(a, b))
}

// changedLines are the lines in which two texts differ, from the first to the last.
func changedLines(before, after string) []string {
	if before == after {
		return nil
	}
	a, b := strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n")
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	a, b = a[same:], b[same:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	lines := []string{fmt.Sprintf("@@ line %d @@", same+1)}
	for _, side := range []struct {
		sign  string
		lines []string
	}{{"-", a}, {"+", b}} {
		for _, line := range side.lines {
			if line != "" {
				lines = append(lines, side.sign+strings.TrimRight(line, "\r\n"))
			}
		}
	}
	return lines
}
