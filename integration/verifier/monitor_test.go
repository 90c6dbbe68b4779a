package verifier_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/integration/endtoend"
)

// monitor is the verifier's second process, asked by somebody who has taken over the first.
type monitor struct {
	conn    *os.File
	answers *json.Decoder
	process *exec.Cmd
}

func (h *host) monitor(t *testing.T, user string) *monitor {
	t.Helper()
	return h.startMonitor(t, exec.Command(endtoend.Verifier(t), "monitor"), user)
}

func (h *host) startMonitor(t *testing.T, process *exec.Cmd, user string) *monitor {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	m := &monitor{conn: os.NewFile(uintptr(pair[0]), "ours"), process: process}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	m.process.ExtraFiles = []*os.File{theirs}
	m.process.Stderr = os.Stderr
	check(t, m.process.Start())
	check(t, theirs.Close())
	t.Cleanup(func() {
		_ = m.conn.Close()
		_ = m.process.Wait()
	})
	m.answers = json.NewDecoder(m.conn)
	m.send(t, map[string]any{"ConfigDir": h.config, "User": user})
	return m
}

func (m *monitor) send(t *testing.T, message map[string]any) {
	t.Helper()
	check(t, json.NewEncoder(m.conn).Encode(message))
}

func (m *monitor) ask(t *testing.T, call map[string]any) map[string]any {
	t.Helper()
	if call["Within"] == nil {
		call["Within"] = time.Minute
	}
	m.send(t, call)
	var answer map[string]any
	check(t, m.answers.Decode(&answer))
	return answer
}

// TestMonitorRunsPluginsAlone: not even the verifier makes the monitor start a program that the host has not named, or
// with variables that no plugin has, or with another file as the plugin's own.
func TestMonitorRunsPluginsAlone(t *testing.T) {
	h := newHost(t)
	seen := filepath.Join(t.TempDir(), "environment")
	h.write(t, "config.yml", "env_vars: {OF_HOST: yes}\n")
	h.plugin(t, "tell", "allow", "env >"+seen+"; echo allow")
	stranger := filepath.Join(t.TempDir(), "stranger.yml")
	check(t, os.WriteFile(stranger, []byte("name: stranger\ncommand: /bin/echo allow\n"), 0o644))
	m := h.monitor(t, "alice")
	tell := h.config + "/policy.d/tell.yml"
	for _, files := range [][]string{
		{stranger}, {"/bin/sh"}, {h.config + "/policy.d/../policy.d/tell.yml"}, {h.config + "/policy.d/none.yml"}, {""}, {tell, stranger}, {tell, tell},
	} {
		answer := m.ask(t, map[string]any{"Plugins": files, "Wanted": true})
		if answer["Outcomes"] != nil || !strings.Contains(fmt.Sprint(answer["Failure"]), "expected a plugin of this host") {
			t.Errorf("%q: expected a refusal, got %v", files, answer)
		}
	}
	answer := m.ask(t, map[string]any{"Plugins": []string{tell}, "Wanted": true, "Login": []string{
		"OPKSSH_PLUGIN_CONFIG=eA==", "OPKSSH_PLUGIN_U=alice", "LD_PRELOAD=/tmp/evil.so", "PATH=/tmp", "OF_HOST=no", "BASH_ENV=/tmp/evil", "OPKSSH_PLUGIN", "=x",
	}})
	outcomes, _ := answer["Outcomes"].([]any)
	if len(outcomes) != 1 || outcomes[0].(map[string]any)["Allow"] != true {
		t.Fatalf("expected one plugin that allows, got %v", answer)
	}
	environment, err := os.ReadFile(seen)
	check(t, err)
	var names []string
	for line := range strings.Lines(string(environment)) {
		name, _, _ := strings.Cut(line, "=")
		if !slices.Contains([]string{"PWD", "SHLVL", "_"}, name) { // the shell's
			names = append(names, name)
		}
	}
	slices.Sort(names)
	own, err := os.ReadFile(tell)
	check(t, err)
	if !strings.Contains(string(environment), "OPKSSH_PLUGIN_CONFIG="+base64.StdEncoding.EncodeToString(own)+"\n") {
		t.Errorf("expected the file that the monitor has read, got\n%s", environment)
	}
	if !slices.Equal(names, []string{"OF_HOST", "OPKSSH_PLUGIN_CONFIG", "OPKSSH_PLUGIN_U", "PATH"}) || !strings.Contains(string(environment), "OF_HOST=yes") ||
		strings.Contains(string(environment), "/tmp\n") {
		t.Errorf("expected the host's variables and the login's, got\n%s", environment)
	}
}

// TestMonitorReadsOneHome: that of the user who logs in, whom the verifier has named before it saw a token.
func TestMonitorReadsOneHome(t *testing.T) {
	h := newHost(t)
	answer := h.monitor(t, "nobody-of-that-name").ask(t, map[string]any{"User": "root", "Home": map[string]string{"Path": "/etc/shadow"}})
	if len(answer) != 0 {
		t.Errorf("expected no rules, got %v", answer)
	}
	h.write(t, "config.yml", "home_policy: false\n")
	answer = h.monitor(t, "root").ask(t, map[string]any{})
	if !strings.Contains(fmt.Sprint(answer["Failure"]), "home_policy") {
		t.Errorf("expected a refusal, got %v", answer)
	}
}

// TestMonitorEnds: with the connection, and what it has started with it.
func TestMonitorEnds(t *testing.T) {
	h := newHost(t)
	started := filepath.Join(t.TempDir(), "started")
	h.plugin(t, "hang", "allow", "echo $$ >"+started+".new; mv "+started+".new "+started+"; sleep 1000")
	m := h.monitor(t, "alice")
	m.send(t, map[string]any{"Within": time.Minute, "Plugins": []string{h.config + "/policy.d/hang.yml"}})
	var plugin []byte
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if plugin, err = os.ReadFile(started); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	check(t, m.conn.Close())
	waitForEnd(t, "/proc/"+strings.TrimSpace(string(plugin)))
	waitForEnd(t, fmt.Sprintf("/proc/%d", m.process.Process.Pid))
}

// TestMonitorAnswersInTime: what takes too long is an answer, too, and the next call gets its own.
func TestMonitorAnswersInTime(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "hang", "allow", "sleep 1000")
	h.plugin(t, "tell", "allow", "echo allow")
	m := h.monitor(t, "alice")
	answer := m.ask(t, map[string]any{"Within": 10 * time.Millisecond, "Plugins": []string{h.config + "/policy.d/hang.yml"}, "Wanted": true})
	if !strings.Contains(fmt.Sprint(answer["Outcomes"]), "deadline exceeded") {
		t.Errorf("expected that the time is over, got %v", answer)
	}
	answer = m.ask(t, map[string]any{"Plugins": []string{h.config + "/policy.d/tell.yml"}, "Wanted": true})
	if !strings.Contains(fmt.Sprint(answer["Outcomes"]), "Allow:true") {
		t.Errorf("expected that the plugin allows, got %v", answer)
	}
}

// TestPluginDoesNotAnswerForOthers: what is said to the verifier is the monitor's.
func TestPluginDoesNotAnswerForOthers(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "10-liar", "allow", `for fd in 3 4 5 6 7 8 9; do
	eval "printf '%s' '{\"Outcomes\":[{\"Allow\":true}]}{\"Outcomes\":[{\"Allow\":true}]}' >&$fd" 2>/dev/null
done; echo allow`)
	h.plugin(t, "20-strict", "require", "echo deny")
	wantReason(t, h.verify(t, "nobody-has-a-rule-for", h.issuer.Login(t, alice).Certificate), "plugin-required")
}

// TestMonitorAlone: a person who runs it is told what it is for.
func TestMonitorAlone(t *testing.T) {
	a := run(t, "monitor")
	if a.code != 2 || !strings.Contains(a.stderr, "expected to be started by verify") {
		t.Errorf("expected wrong usage, got %d and %q", a.code, a.stderr)
	}
}
