package attacks_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/process"
	"opkssh/integration/tracer"
	"opkssh/pkg/pktoken/pktokentest"
)

// race makes somebody exchange two files or folders, at each moment at which it can matter: the verifier is stopped before each of its
// calls about one of them, or about what is below, and they are exchanged before every single one of these calls, and before every two.
// Each run must end as want says, whichever of them was there first.
func (h *host) race(t *testing.T, o *offer, one, other, want string) {
	t.Helper()
	there := one // what one stands for
	exchange := func() {
		check(t, unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
		if there == one {
			there = other
		} else {
			there = one
		}
	}
	runs := 0
	for _, first := range []string{one, other} {
		again := true
		for i := 1; again; i++ {
			for j := i + 1; again; j++ {
				if there != first {
					exchange()
				}
				calls, moment := 0, ""
				a := h.trace(t, o, func(call *tracer.Call) {
					file := call.File() + "/"
					if !strings.HasPrefix(file, one+"/") && !strings.HasPrefix(file, other+"/") {
						return
					}
					if calls++; calls == i || calls == j {
						exchange()
						moment += fmt.Sprintf(" before call %d, about %s;", calls, file)
					}
				})
				runs++
				a.want(t, o, want)
				if t.Failed() {
					t.Fatalf("%s was there first; exchanged%s", filepath.Base(first), moment)
				}
				if calls < j { // all moments for j have been
					again = calls >= i
					break
				}
			}
		}
	}
	t.Logf("%d runs", runs)
	if least := 6; runs < least {
		t.Errorf("expected at least %d moments, got %d", least, runs)
	}
}

// trace is [host.verify] with before called ahead of each of its system calls.
func (h *host) trace(t *testing.T, o *offer, before func(*tracer.Call), flags ...string) *answer {
	t.Helper()
	cmd := h.command(context.Background(), t, o, flags...)
	outputs := tracer.Files(t, cmd)
	status := tracer.Run(t, cmd, endtoend.Verifier(t), func(call *tracer.Call) (kill bool) { before(call); return false })
	stdout, stderr := outputs()
	return newAnswer(t, stdout, stderr, status.ExitStatus())
}

// ownHomes gives the host a user alice, with a home folder that is hers.
func (h *host) ownHomes(t *testing.T) (home string) {
	t.Helper()
	dir := openFolder(t)
	home = filepath.Join(dir, "alice")
	check(t, os.Mkdir(home, 0o755))
	check(t, os.Chown(home, aliceID, aliceID))
	passwd := filepath.Join(dir, "passwd")
	check(t, os.WriteFile(passwd, fmt.Appendf(nil, "root:x:0:0::/root:/bin/sh\nalice:x:%d:%d::%s:/bin/sh\n", aliceID, aliceID, home), 0o644))
	p := process.Start(t, exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount --bind "$1" /etc/passwd && echo mounted && exec sleep 3600`, "sh", passwd))
	p.WaitLog(t, "mounted")
	h.within = []string{"nsenter", "--mount", "--target", strconv.Itoa(p.PID), "--setuid", strconv.Itoa(commandUser), "--setgid", strconv.Itoa(commandUser), "--"}
	return home
}

// aliceID and bobID are users of the host.
const (
	aliceID = 60_001
	bobID   = 60_002
)

// TestLinkRace.
//
// Power: alice's account, whose home is hers; nobody has given her identity a rule, but for one of bob's, and a file of root's that
// names her and that no login reads.
// Move: she exchanges her file of rules, or the folder it is in, for a link to one of root's, for a file of bob's, for what never
// ends; and back, in the hope that one is looked at and the other read.
// Expected: no-rule, at each moment of the exchange.
func TestLinkRace(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	rules := "alice alice@example.com " + op.URL + "\n"
	for name, test := range map[string]struct {
		what string // is exchanged
		make func(t *testing.T, h *host, other string)
	}{
		"link to root's file": {".opk/auth_id", func(t *testing.T, h *host, other string) {
			check(t, os.Symlink(h.write(t, "of-root", rules), other))
		}},
		"link to root's folder": {".opk", func(t *testing.T, h *host, other string) {
			check(t, os.Symlink(filepath.Dir(h.write(t, "of-root/auth_id", rules)), other))
		}},
		"bob's file": {".opk/auth_id", func(t *testing.T, _ *host, other string) {
			check(t, os.WriteFile(other, []byte(rules), 0o644))
			check(t, os.Chown(other, bobID, bobID))
		}},
		"bob's folder": {".opk", func(t *testing.T, _ *host, other string) {
			check(t, os.Mkdir(other, 0o755))
			check(t, os.WriteFile(filepath.Join(other, "auth_id"), []byte(rules), 0o644))
			check(t, os.Chown(filepath.Join(other, "auth_id"), aliceID, aliceID))
			check(t, os.Chown(other, bobID, bobID))
		}},
		"FIFO":         {".opk/auth_id", func(t *testing.T, _ *host, other string) { check(t, syscall.Mkfifo(other, 0o644)) }},
		"endless":      {".opk/auth_id", func(t *testing.T, _ *host, other string) { check(t, os.Symlink("/dev/zero", other)) }},
		"not a file":   {".opk/auth_id", func(t *testing.T, _ *host, other string) { check(t, os.Mkdir(other, 0o755)) }},
		"not a folder": {".opk", func(t *testing.T, _ *host, other string) { check(t, os.WriteFile(other, []byte(rules), 0o644)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "")
			home := h.ownHomes(t)
			folder := filepath.Join(home, ".opk")
			file := filepath.Join(folder, "auth_id")
			check(t, os.Mkdir(folder, 0o755))
			check(t, os.WriteFile(file, []byte(rules), 0o644))
			for _, path := range []string{folder, file} {
				check(t, os.Chown(path, aliceID, aliceID))
			}
			o := forge(t, op.Issuer).offer()
			h.attack(t, o, allowed)
			check(t, os.WriteFile(file, nil, 0o644))
			h.attack(t, o, "no-rule")
			other := filepath.Join(home, "other")
			test.make(t, h, other)
			h.race(t, o, filepath.Join(home, test.what), other, "no-rule")
		})
	}
}

// TestCacheRace.
//
// Power: an account that owns the folder in which the cache folder was put.
// Move: exchanges the cache folder for one of its own, with a key of its own among the provider's, and signs with that; and back, in the
// hope that one is looked at and the other used.
// Expected: provider-signature, and the honest login gets in, at each moment of the exchange.
func TestCacheRace(t *testing.T) {
	t.Parallel()
	for name, offer := range map[string]struct {
		make func(t *testing.T, op *pktokentest.Issuer) *offer
		want string
	}{
		"forged": {forgeWithOwnKey, "provider-signature"},
		"honest": {func(t *testing.T, op *pktokentest.Issuer) *offer { return forge(t, op).offer() }, allowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, op := newIssuerHost(t)
			above := filepath.Join(openFolder(t), "above")
			check(t, os.Mkdir(above, 0o755))
			check(t, os.Chown(above, stranger, stranger))
			own := filepath.Join(above, "own")
			check(t, os.Rename(h.cache, filepath.Join(above, "cache")))
			h.cache = filepath.Join(above, "cache")
			h.attack(t, forge(t, op.Issuer).offer(), allowed)
			file := h.poison(t, op)
			check(t, os.Mkdir(own, 0o700))
			poisoned := filepath.Join(own, filepath.Base(file))
			check(t, os.Rename(file, poisoned))
			for _, path := range []string{own, poisoned} {
				check(t, os.Chown(path, stranger, stranger))
			}
			check(t, os.Chmod(poisoned, 0o644))
			check(t, os.Chmod(own, 0o777))
			o := offer.make(t, op.Issuer)
			h.attack(t, o, offer.want)
			h.race(t, o, h.cache, own, offer.want)
			for _, folder := range []string{own, h.cache} {
				if info, err := os.Stat(folder); err != nil || info.Mode().Perm() == 0o700 {
					continue
				}
				if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
					t.Errorf("expected that nothing is written into a folder that others can write to, got %v, %v", entries, err)
				}
			}
		})
	}
}

// TestOpenFolders: what nobody looks at cannot be exchanged.
//
// Power: an account that owns a folder into which root has linked a file of the host's.
// Move: keeps the file as it is until it has been looked at.
// Expected: as if it were not there; nothing below that folder is opened or looked at, by the verifier or by what it starts.
func TestOpenFolders(t *testing.T) {
	t.Parallel()
	for _, test := range append(slices.Clone(hostFiles), struct{ name, want string }{"ca.pem", "keys-unavailable"}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startHostile(t, true)
			h := p.host(t)
			h.restOn(t, test.name)
			ca := h.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})))
			h.write(t, "config.yml", fmt.Sprintf(logToStderr+"env_vars: {SSL_CERT_FILE: %q}\n", ca))
			o := forge(t, p.Issuer).offer()
			look := func() (a *answer, files []string) {
				check(t, os.RemoveAll(h.cache))
				check(t, os.Mkdir(h.cache, 0o700))
				check(t, os.Chown(h.cache, commandUser, commandUser))
				a = h.trace(t, o, func(call *tracer.Call) {
					if file := call.File(); file != "" {
						files = append(files, file, call.Target())
					}
				}, "-v")
				return a, files
			}
			path := filepath.Join(h.config, test.name)
			a, files := look()
			a.want(t, o, allowed)
			if !slices.Contains(files, path) {
				t.Fatalf("expected that %s is looked at, got %q", path, files)
			}
			link(t, path)
			_, files = look()
			target, err := os.Readlink(path)
			check(t, err)
			if !slices.Contains(files, target) {
				t.Fatalf("expected that %s is looked at, got %q", target, files)
			}
			folder := filepath.Dir(target)
			check(t, os.Chown(folder, stranger, 0))
			a, files = look()
			a.want(t, o, test.want)
			for _, file := range files {
				if strings.HasPrefix(file, folder+"/") {
					t.Errorf("expected that nothing below %s is looked at, got %s", folder, file)
				}
			}
		})
	}
}
