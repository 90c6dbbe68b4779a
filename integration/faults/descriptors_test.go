package faults_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// noFiles leaves standard input, output and error.
const noFiles = 3

// TestDescriptorsUsedUp: with fewer and fewer files that may be open, a login fails or is what it always is.
func TestDescriptorsUsedUp(t *testing.T) {
	h := newHost(t)
	h.plugin(t)
	h.guardFiles(t)
	const enough = 24
	let := 0
	for _, state := range []string{"cold", "warm"} {
		for n := enough; n >= noFiles; n-- {
			if state == "cold" {
				check(t, os.RemoveAll(h.cache))
				check(t, os.Mkdir(h.cache, 0o700))
			}
			h.within = []string{"prlimit", "--nofile=" + strconv.Itoa(n) + ":" + strconv.Itoa(n)}
			h.wantOthersOut(t)
			if a := h.verify(t, h.alice); a.in(t, h.alice) {
				let++
			} else if n == enough {
				t.Fatalf("%s: expected %d files to be enough\n%s", state, n, a.stderr)
			}
			h.within = nil
			h.wantIn(t)
			h.wantCacheSound(t)
		}
	}
	if let == 2*(enough-noFiles+1) {
		t.Errorf("expected logins that fail for want of files, got none")
	}
}

// plugin adds a plugin that must agree to each login, and does so for keys of alice's: where it cannot be asked, the answer is no.
func (h *host) plugin(t *testing.T) {
	t.Helper()
	program := filepath.Join(h.config, "programs", "same-key")
	h.write(t, "programs/same-key", "#!/bin/sh\n[ \"$OPKSSH_PLUGIN_K\" = '"+h.arguments("alice", h.alice.Certificate)[6]+"' ] && echo allow\n")
	check(t, os.Chmod(program, 0o755))
	h.write(t, "policy.d/same-key.yml", "name: same-key\ncommand: "+program+"\nmode: require\n")
}

// TestCallsFail: one call after the other that opens or reads a file, or reaches for the network, ends with an error that no
// program expects. Neither the list of those who are kept out, nor a plugin that must agree, nor a rule with limits is passed over for that.
func TestCallsFail(t *testing.T) {
	for _, calls := range []struct{ names, fault string }{
		{"openat,openat2", "EMFILE"}, {"read,pread64,getdents64", "EIO"}, {"newfstatat,fstat,statx", "EIO"}, {"socket,connect,clone3,pipe2", "ENOMEM"},
	} {
		t.Run(calls.fault+" of "+calls.names, func(t *testing.T) {
			t.Parallel()
			kept := newHost(t) // where alice is kept out by each of the two in turn
			kept.write(t, "config.yml", "log: {to: stderr}\nkey_cache: {timeout: "+patient+"}\ndeny_emails: [alice@example.com]\n")
			kept.guardFiles(t)
			plugin := newHost(t)
			plugin.plugin(t)
			plugin.guardFiles(t)
			plugin.warm(t)
			limited := newHost(t) // where alice's first rule limits her, and the next does not
			limited.write(t, "auth_id", "alice alice@example.com "+limited.op.url+" no-pty\n")
			limited.write(t, "auth_id.d/50-more.conf", "alice alice@example.com "+limited.op.url+"\n")
			limited.guardFiles(t)
			another := plugin.op.login(t, "alice@example.com")
			plugin.wantReason(t, another, "plugin-required")
			kept.wantReason(t, kept.alice, "denied-email")
			for n := 1; ; n++ {
				trace := filepath.Join(t.TempDir(), "trace")
				under := []string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + calls.names,
					"-e", "inject=" + calls.names + ":error=" + calls.fault + ":when=" + strconv.Itoa(n)}
				kept.within, plugin.within, limited.within = under, under, under
				if a := kept.verify(t, kept.alice); a.stdout != "" {
					t.Fatalf("call %d: the list in config.yml was passed over: %q\n%s", n, a.stdout, a.stderr)
				}
				if a := plugin.verify(t, another); a.stdout != "" {
					t.Fatalf("call %d: the plugin was passed over: %q\n%s", n, a.stdout, a.stderr)
				}
				if a := limited.verify(t, limited.alice); a.stdout != "" && !strings.Contains(a.stdout, ",no-pty ") {
					t.Fatalf("call %d: the limits were passed over: %q\n%s", n, a.stdout, a.stderr)
				}
				plugin.verify(t, plugin.alice).in(t, plugin.alice)
				calls, err := os.ReadFile(trace)
				check(t, err)
				if !strings.Contains(string(calls), "(INJECTED)") {
					if n == 1 {
						t.Fatalf("expected calls that fail, got\n%s", calls)
					}
					break
				}
			}
			plugin.within, limited.within = nil, nil
			if a := limited.verify(t, limited.alice); !strings.Contains(a.stdout, ",no-pty ") {
				t.Fatalf("expected a login with limits, got %q\n%s", a.stdout, a.stderr)
			}
			plugin.wantIn(t)
			plugin.wantCacheSound(t)
		})
	}
}
