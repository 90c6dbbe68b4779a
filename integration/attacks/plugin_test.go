package attacks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/integration/issuer"
	"opkssh/integration/process"
	"opkssh/pkg/pktoken/pktokentest"
)

// plugin writes a program, and a file of policy.d that names it.
func (h *host) plugin(t *testing.T, name, mode, script string) {
	t.Helper()
	program := h.write(t, "programs/"+name, "#!/bin/sh\n"+script+"\n")
	check(t, os.Chmod(program, 0o755))
	h.write(t, "policy.d/"+name+".yml", "name: "+name+"\ncommand: "+program+"\nmode: "+mode+"\n")
}

// TestPlugins.
//
// Power: made a plugin of the host's fail: by load, by claims that it does not expect, by a fault in it.
// Move: the plugin floods, hangs, forks, or says allow and fails.
// Expected: no-rule where it alone would have let in, plugin-required where a rule did and it must agree; in bounded time, with
// nothing of it left behind.
func TestPlugins(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	// What every plugin sleeps for names it among the processes of the machine.
	sleep := func(name string) string { return fmt.Sprintf("1000.%d%03d", os.Getpid(), len(name)) }
	for name, script := range map[string]string{
		"floods":                      "exec yes allow",
		"floods with zeros":           "exec cat /dev/zero",
		"floods the log":              "yes allow >&2 & yes allow >&2",
		"allow, then a flood":         "echo allow; exec cat /dev/zero",
		"hangs":                       "exec sleep SLEEP",
		"hangs deaf":                  "trap '' TERM INT HUP; while :; do sleep SLEEP; done",
		"allow, then hangs":           "echo allow; exec sleep SLEEP",
		"allow, output closed, hangs": "echo allow; exec >&-; exec sleep SLEEP",
		"stops itself":                "echo allow; kill -STOP $$",
		"forks":                       "for i in $(seq 100); do sleep SLEEP & done; exit 1",
		"forks in depth":              "f() { [ $1 = 0 ] && exec sleep SLEEP; f $(($1-1)) & wait; }; f 50",
		"allow and status 1":          "echo allow; exit 1",
		"allow and status 255":        "echo allow; exit 255",
		"allow and killed":            "echo allow; kill -KILL $$",
		"allow and crashed":           "echo allow; kill -SEGV $$",
		"allow to the log":            "echo allow >&2",
		"allow twice":                 "echo allow; echo allow",
		"ALLOW":                       "echo ALLOW",
		"allowed":                     "echo allowed",
		"not allow":                   "echo not allow",
		"allow and NUL":               `printf 'allow\000'`,
		"allow and an escape":         `printf 'allow\033[2K'`,
		"long s":                      `printf 'all\305\277w'`,
		"JSON":                        `echo '{"allow":true}'`,
		"nothing":                     ":",
		"no such interpreter":         "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.ReplaceAll(script, "SLEEP", sleep(name))
			for mode, want := range map[string]string{"allow": "no-rule", "require": "plugin-required"} {
				h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n")
				h.plugin(t, "p", mode, script)
				if name == "no such interpreter" {
					check(t, os.WriteFile(filepath.Join(h.config, "programs/p"), []byte("#!/nonexistent\necho allow\n"), 0o755))
				}
				f := forge(t, op.Issuer)
				if mode == "allow" {
					f.login = "bob" // for whom there is no rule
				}
				h.attack(t, f.offer(), want)
			}
			if strings.Contains(script, sleep(name)) {
				waitForNone(t, sleep(name))
			}
		})
	}
	t.Run("as made", func(t *testing.T) {
		h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "")
		h.plugin(t, "p", "allow", "echo allow")
		h.attack(t, forge(t, op.Issuer).offer(), allowed)
	})
}

// waitForNone waits until no process has this word on its command line.
func waitForNone(t *testing.T, word string) {
	t.Helper()
	for end := time.Now().Add(process.Patience); ; time.Sleep(20 * time.Millisecond) {
		found := 0
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		check(t, err)
		for _, file := range files {
			// It may have ended meanwhile.
			if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), "\x00"+word+"\x00") {
				found++
			}
		}
		if found == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("expected the end of all that the plugin started, got %d processes", found)
		}
	}
}
