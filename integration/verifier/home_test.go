package verifier_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// TestCostOfHomeRules: what a login looks up, and that nobody makes it ask other programs who has no valid token, or no need.
func TestCostOfHomeRules(t *testing.T) {
	type calls struct{ passwd, monitors, programs int }
	tests := []struct {
		name, user string
		config     string
		prepare    func(t *testing.T, h *host, id *issuer.Identity)
		want       calls
	}{
		{"local user", "daemon", "", nil, calls{passwd: 2}},
		{"unknown user", "nobody-of-that-name", "", nil, calls{passwd: 2, monitors: 1, programs: 1}}, // getent
		{"no name of a user", "--help", "", nil, calls{}},
		{"a system rule lets in", "root", "", nil, calls{passwd: 1}},
		{"a system rule lets an unknown user in", "alice", "", nil, calls{passwd: 1, monitors: 1}},
		{"a system rule that is not to be trusted", "root", "", func(t *testing.T, h *host, _ *issuer.Identity) { chmod(t, h, "auth_id", 0o666) }, calls{passwd: 1}},
		{"system rules of others that are not to be trusted", "daemon", "", func(t *testing.T, h *host, _ *issuer.Identity) { chmod(t, h, "auth_id", 0o666) }, calls{passwd: 2}},
		{"switched off", "nobody-of-that-name", "home_policy: false\n", nil, calls{}},
		{"denied", "nobody-of-that-name", "deny_emails: [alice@example.com]\n", nil, calls{passwd: 1, monitors: 1}},
		{"unknown issuer", "nobody-of-that-name", "", func(t *testing.T, h *host, _ *issuer.Identity) { h.write(t, "providers", "") }, calls{passwd: 1, monitors: 1}},
		{"forged certificate", "nobody-of-that-name", "", func(_ *testing.T, _ *host, id *issuer.Identity) {
			id.Certificate.Signature.Blob[8] ^= 1
		}, calls{passwd: 1, monitors: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.write(t, "config.yml", "log: {to: stderr}\n"+test.config)
			id := h.issuer.Login(t, alice)
			if test.prepare != nil {
				test.prepare(t, h, id)
			}
			trace := filepath.Join(t.TempDir(), "trace")
			runCommand(t, exec.Command("strace", append([]string{"-f", "-qq", "-o", trace, "-e", "trace=openat,openat2,execve", endtoend.Verifier(t)},
				h.arguments(test.user, id.Certificate)...)...)).decision(t)
			data, err := os.ReadFile(trace)
			check(t, err)
			var got calls
			program := ""
			for line := range strings.Lines(string(data)) {
				process, call, _ := strings.Cut(line, " ")
				call = strings.TrimSpace(call)
				switch {
				case strings.HasPrefix(call, "execve(") && strings.Contains(call, `", "monitor"]`):
					got.monitors++
				case strings.HasPrefix(call, "execve(") && !strings.Contains(call, endtoend.Verifier(t)):
					got.programs++
					program = process // what it opens is its own affair
				case strings.Contains(call, `"/etc/passwd"`) && process != program:
					got.passwd++
				}
			}
			if got != test.want {
				t.Errorf("expected %+v, got %+v\n%s", test.want, got, data)
			}
		})
	}
}
