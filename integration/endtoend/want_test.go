package endtoend_test

import (
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/sshd"
)

// wantOutput: the login went on, and the command said want.
func wantOutput(t *testing.T, h *endtoend.Host, r sshd.Result, want string) {
	t.Helper()
	if r.ExitCode != 0 || r.Stdout != want {
		t.Fatalf("expected %q, got %+v\nthe host's log: %v", want, r, h.Records(t))
	}
}

// wantRefused: sshd let nobody in, and the host's log says for which reason.
func wantRefused(t *testing.T, h *endtoend.Host, r sshd.Result, reason string) {
	t.Helper()
	if r.ExitCode != 255 || r.Stdout != "" {
		t.Fatalf("expected a refusal, got %+v\nthe host's log: %v", r, h.Records(t))
	}
	if last := h.LastRecord(t); last["decision"] != "deny" || last["reason"] != reason {
		t.Fatalf("expected a denial with the reason %q, got %v", reason, last)
	}
}
