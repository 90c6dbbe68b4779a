package verifier_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/untested"
	"opkssh/internal/sandbox"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestSandbox looks at the verifier while it asks a provider: all its threads are in the sandbox, and its monitor is not.
func TestSandbox(t *testing.T) {
	const in, out = "NoNewPrivs: 1 Seccomp: 2", "NoNewPrivs: 0 Seccomp: 0"
	for name, test := range map[string]struct {
		config           string
		threads, monitor string
	}{
		"with a monitor":    {"", in, out},
		"without a monitor": {"home_policy: false\n", in, ""},
		"switched off":      {"sandbox: false\n", out, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.write(t, "config.yml", "log: {to: stderr}\n"+test.config)
			id := h.issuer.Login(t, alice)
			cmd := exec.Command("prlimit", append([]string{"--core=unlimited", endtoend.Verifier(t)}, h.arguments("alice", id.Certificate)...)...)
			monitor := ""
			h.issuer.Asked = func(*http.Request) {
				process := fmt.Sprintf("/proc/%d", cmd.Process.Pid)
				threads, err := filepath.Glob(process + "/task/*/status")
				check(t, err)
				for _, thread := range threads {
					if got := privileges(t, thread); got != test.threads {
						t.Errorf("%s: expected %s, got %s", thread, test.threads, got)
					}
				}
				if got := limit(t, process, "Max core file size"); got != "0 0" {
					t.Errorf("core file size: expected 0 0, got %s", got)
				}
				monitor = childOf(t, cmd.Process.Pid)
				if (monitor != "") != (test.monitor != "") || monitor != "" && privileges(t, monitor+"/status") != test.monitor {
					t.Errorf("monitor: expected %q, got %q", test.monitor, monitor)
				}
			}
			wantLine(t, runCommand(t, cmd), id)
			if h.issuer.Requests() == 0 {
				t.Fatal("the provider was not asked")
			}
			waitForEnd(t, monitor)
		})
	}
}

// privileges are two lines of proc_pid_status(5).
func privileges(t *testing.T, status string) string {
	t.Helper()
	data, err := os.ReadFile(status)
	check(t, err)
	var found []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "NoNewPrivs:") || strings.HasPrefix(line, "Seccomp:") {
			found = append(found, strings.Fields(line)...)
		}
	}
	return strings.Join(found, " ")
}

// limit is a soft and a hard limit of proc_pid_limits(5).
func limit(t *testing.T, process, name string) string {
	t.Helper()
	data, err := os.ReadFile(process + "/limits")
	check(t, err)
	for line := range strings.Lines(string(data)) {
		if values, found := strings.CutPrefix(line, name); found {
			return strings.Join(strings.Fields(values)[:2], " ")
		}
	}
	t.Fatalf("no %q in\n%s", name, data)
	return ""
}

// childOf is the folder in /proc of the process that another one has started, or "".
func childOf(t *testing.T, parent int) string {
	t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	check(t, err)
	for _, file := range children {
		pids, err := os.ReadFile(file)
		check(t, err)
		for _, pid := range strings.Fields(string(pids)) {
			return "/proc/" + pid
		}
	}
	return ""
}

// waitForEnd waits for the end of a process that is nobody's child any more.
func waitForEnd(t *testing.T, process string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); process != ""; time.Sleep(10 * time.Millisecond) {
		status, err := os.ReadFile(process + "/status")
		if err != nil || strings.Contains(string(status), "State:\tZ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s goes on:\n%s", process, status)
		}
	}
}

// TestSandboxBites: a provider has its keys at a port of their own, which nobody has told the host of.
func TestSandboxBites(t *testing.T) {
	ports := func(missing string) bool { return strings.Contains(missing, "TCP ports") }
	if missing := sandbox.Missing(); slices.ContainsFunc(missing, ports) {
		untested.Here(t, missing)
	}
	h := newHost(t)
	var op *pktokentest.Issuer
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(pktokentest.JWKS(t, op.JWK(t)))
	}))
	t.Cleanup(keys.Close)
	discovery := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": op.URL, "authorization_endpoint": op.URL, "token_endpoint": op.URL, "jwks_uri": keys.URL,
		})
	}))
	t.Cleanup(discovery.Close)
	op = pktokentest.NewIssuer(t, discovery.URL, "RS256")
	h.write(t, "providers", op.URL+" "+pktokentest.ClientID+" 24h\n")
	h.write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	id := (&issuer.Issuer{Issuer: op}).Login(t, alice)

	d := wantReason(t, h.verify(t, "alice", id.Certificate), "keys-unavailable")
	if detail := fmt.Sprint(d["detail"]); !strings.Contains(detail, "this system forbids the connection") || !strings.Contains(detail, "sandbox") {
		t.Errorf("expected words about the sandbox, got %q", detail)
	}

	audit := func() string {
		return run(t, "audit", "--user", "root", "--config-dir", h.config, "--cache-dir", h.cache).stdout
	}
	if out := audit(); !strings.Contains(out, keys.URL+" is at a port that a login in its sandbox cannot connect to (sandbox-port)") {
		t.Errorf("expected a finding about the port, got\n%s", out)
	}

	// Neither way out of docs/sandbox.md needs the other.
	h.write(t, "config.yml", "log: {to: stderr}\nsandbox: false\n")
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
	if out := audit(); strings.Contains(out, "sandbox-port") || !strings.Contains(out, "sandbox-off") {
		t.Errorf("expected a finding about the sandbox, got\n%s", out)
	}
	check(t, os.RemoveAll(h.cache))
	h.write(t, "config.yml", "log: {to: stderr}\n")
	if a := run(t, "keys", "refresh", "--all", "--user", "root", "--config-dir", h.config, "--cache-dir", h.cache); a.code != 0 {
		t.Fatal(a.stderr)
	}
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
}

// TestSandboxRefused: a kernel that breaks its word. The login goes on, and the log says so.
func TestSandboxRefused(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	a := h.verifyWithoutLandlock(t, "alice", id)
	wantLine(t, a, id)
	if len(a.log["sandbox not complete"]) != 1 {
		t.Errorf("expected one warning, got\n%s", a.stderr)
	}
}

func (h *host) verifyWithoutLandlock(t *testing.T, user string, id *issuer.Identity) *answer {
	t.Helper()
	return runCommand(t, exec.Command("strace", append([]string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=landlock_restrict_self",
		"-e", "inject=landlock_restrict_self:error=E2BIG", endtoend.Verifier(t)}, h.arguments(user, id.Certificate)...)...))
}

// TestReadHomeInSandbox: what sudo runs as root gives everything up before it looks into a user's home.
func TestReadHomeInSandbox(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	a := runCommand(t, exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace=landlock_restrict_self,seccomp,openat,openat2",
		endtoend.Verifier(t), "readhome", "root"))
	if a.code != 0 {
		t.Fatal(a.stderr)
	}
	data, err := os.ReadFile(trace)
	check(t, err)
	calls := string(data)
	landlock, seccomp := strings.LastIndex(calls, "landlock_restrict_self("), strings.LastIndex(calls, "SECCOMP_SET_MODE_FILTER")
	home := strings.Index(calls, `"root"`)
	if landlock < 0 || seccomp < 0 || home < landlock || home < seccomp {
		t.Errorf("expected the sandbox, then the home folder root, got\n%s", calls)
	}
}

// TestMemoryIsClosed: to another process of sshd's user, the verifier and its monitor are root's.
func TestMemoryIsClosed(t *testing.T) {
	h := newHost(t)
	command := h.forNobody(t)
	id := h.issuer.Login(t, alice)
	verify := command(h.arguments("alice", id.Certificate)...)
	h.issuer.Asked = func(*http.Request) {
		if owner := ownerOf(t, verify.Process.Pid); owner != 0 {
			t.Errorf("expected that the verifier is closed to its user, got owner %d", owner)
		}
	}
	wantLine(t, runCommand(t, verify), id)
	if h.issuer.Requests() == 0 {
		t.Fatal("the provider was not asked")
	}

	m := h.startMonitor(t, command("monitor"), "alice")
	m.ask(t, map[string]any{}) // it is past its start then
	if owner := ownerOf(t, m.process.Process.Pid); owner != 0 {
		t.Errorf("expected that the monitor is closed to its user, got owner %d", owner)
	}
}

// ownerOf is whose a process is to others: proc_pid(5).
func ownerOf(t *testing.T, pid int) uint32 {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
	check(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

// TestSandboxIncomplete: audit says what a kernel cannot take away.
func TestSandboxIncomplete(t *testing.T) {
	h := newHost(t)
	a := runCommand(t, exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=landlock_create_ruleset", "-e", "inject=landlock_create_ruleset:error=ENOSYS",
		endtoend.Verifier(t), "audit", "--offline", "--user", "root", "--config-dir", h.config, "--cache-dir", h.cache))
	if !strings.Contains(a.stdout, "note: this kernel cannot take everything from the verifier: Landlock: ") || !strings.Contains(a.stdout, "(sandbox-incomplete)") {
		t.Errorf("expected a note about Landlock, got\n%s", a.stdout)
	}
}
