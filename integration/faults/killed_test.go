package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/integration/endtoend"
	"opkssh/integration/tracer"
)

// runKilledAt runs a command of the verifier and kills it before the n-th system call that writes, counted from 1 over all of its threads.
// It returns the call, or "" for a command that ended before.
func runKilledAt(t *testing.T, cmd *exec.Cmd, n int) (killedBefore string) {
	t.Helper()
	tracer.Run(t, cmd, endtoend.Verifier(t), func(call *tracer.Call) (kill bool) {
		name := writing(call)
		if name != "" {
			n--
		}
		if n == 0 {
			killedBefore = name
		}
		return n == 0
	})
	return killedBefore
}

// writing names a system call, if it is one that changes something outside of the process.
func writing(call *tracer.Call) string {
	switch call.Number {
	case unix.SYS_OPENAT:
		if call.Args[2]&unix.O_CREAT == 0 {
			return ""
		}
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		// What the runtime writes to itself, through an eventfd, is no file.
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", call.Thread, call.Args[0]))
		if err == nil && strings.HasPrefix(target, "anon_inode:") {
			return ""
		}
		if err == nil && strings.HasPrefix(target, "/") {
			return "write " + filepath.Base(target)
		}
	}
	return changing[call.Number]
}

var changing = map[uint64]string{
	unix.SYS_OPENAT: "create", unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_RENAMEAT: "rename", unix.SYS_RENAMEAT2: "rename", unix.SYS_LINKAT: "link", unix.SYS_UNLINKAT: "unlink", unix.SYS_MKDIRAT: "mkdir",
	unix.SYS_FCHMOD: "chmod", unix.SYS_FCHMODAT: "chmod", unix.SYS_FCHOWN: "chown", unix.SYS_FCHOWNAT: "chown", unix.SYS_FLOCK: "flock",
	unix.SYS_FSETXATTR: "setxattr", unix.SYS_FREMOVEXATTR: "removexattr",
}

// wantKills says that the run that was killed was one that writes as it should.
func wantKills(t *testing.T, calls []string, want ...string) {
	t.Helper()
	t.Logf("killed before: %q", calls)
	for _, call := range want {
		if !strings.Contains(" "+strings.Join(calls, " ")+" ", " "+call+" ") {
			t.Errorf("expected a kill before %s, got %q", call, calls)
		}
	}
}

// TestLoginKilled: whatever a login was about to write, the next one gets in, at the provider's or with the keys that were held.
func TestLoginKilled(t *testing.T) {
	for _, state := range []string{"cold", "old keys"} {
		t.Run(state, func(t *testing.T) {
			h := newHost(t)
			h.guardFiles(t)
			var calls []string
			for n := 1; ; n++ {
				check(t, os.RemoveAll(h.cache))
				if state != "cold" {
					h.warm(t)
					h.moveCache(t, -3*time.Hour)
				}
				call := runKilledAt(t, h.command(t, h.arguments("alice", h.alice.Certificate)...), n)
				if call == "" {
					break
				}
				calls = append(calls, call)
				if _, err := os.Stat(h.cache); err == nil {
					h.wantCacheSound(t)
				}
				if state != "cold" {
					h.op.refuse()
					h.wantIn(t)
					h.op.mend(t)
				}
				h.wantOthersOut(t)
				h.wantIn(t)
				h.wantCacheSound(t)
				h.op.refuse()
				h.wantIn(t)
				h.op.mend(t)
				if state != "cold" {
					continue // what is left stands there until the next request
				}
				if left, err := filepath.Glob(filepath.Join(h.cache, "*.tmp")); err != nil || len(left) > 0 {
					t.Fatalf("killed before %s: left in the cache: %q, %v", call, left, err)
				}
			}
			wantKills(t, calls, "create", "fsync", "rename")
		})
	}
}

// TestLockKilled: config.yml is the old one or the new one, whole, and the next lock goes through.
func TestLockKilled(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(h.config, "config.yml")
	old, err := os.ReadFile(path)
	check(t, err)
	check(t, os.Chmod(path, 0o640))
	lock := []string{"lock", "--config-dir", h.config, "bob@example.com"}
	if a := run(t, h.command(t, lock...)); a.code != 0 {
		t.Fatalf("exit code %d\n%s", a.code, a.stderr)
	}
	locked, err := os.ReadFile(path)
	check(t, err)
	h.write(t, "auth_id", "alice alice@example.com "+h.op.url+"\nalice bob@example.com "+h.op.url+"\n")
	var calls []string
	for n := 1; ; n++ {
		check(t, os.WriteFile(path, old, 0o640))
		call := runKilledAt(t, h.command(t, lock...), n)
		if call == "" {
			break
		}
		calls = append(calls, call)
		now, err := os.ReadFile(path)
		check(t, err)
		info, err := os.Stat(path)
		check(t, err)
		if string(now) != string(old) && string(now) != string(locked) || info.Mode() != 0o640 {
			t.Fatalf("killed before %s: expected the old file or the new one, got %v %q", call, info.Mode(), now)
		}
		h.wantIn(t)
		if a := h.verify(t, h.bob); a.in(t, h.bob) != (string(now) == string(old)) {
			t.Fatalf("killed before %s: the login does not agree with config.yml: %q\n%s", call, a.stdout, a.stderr)
		}
		if a := run(t, h.command(t, lock...)); a.code != 0 {
			t.Fatalf("killed before %s: the next lock: exit code %d\n%s", call, a.code, a.stderr)
		}
		h.wantReason(t, h.bob, "denied-email")
		h.wantIn(t)
	}
	wantKills(t, calls, "create", "fsync", "rename")
}
