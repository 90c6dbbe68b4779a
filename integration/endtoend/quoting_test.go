package endtoend_test

import (
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// TestQuoting: whatever stands in the value of a rule's option, real sshd reads exactly that, and nothing behind it.
func TestQuoting(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
	allow := func(options string) {
		h.Write(t, "auth_id", "alice alice@example.com "+op.URL+" "+options+"\n")
	}
	for _, text := range []string{
		`a" ssh-ed25519 AAAA`, `",command="id`, `a,b,no-pty`, `\`, `\\`, `\"`, `\\"\`, `"`, `""`, `a'b`, `# a`, `  two  blanks  `, `$(id) %u %% ~ *`, "`id`",
		`cert-authority,principals="root"`, "üñ😀", strings.Repeat(`a"\`, 5000),
	} {
		command := "printf %s '" + strings.ReplaceAll(text, "'", `'\''`) + "'"
		allow(`no-pty,command="` + strings.ReplaceAll(command, `"`, `\"`) + `",no-agent-forwarding`)
		if r := ssh.SSH(t, "alice", "id -un"); r.ExitCode != 0 || r.Stdout != text {
			t.Errorf("expected %.80q, got %.80q, %d, %s", text, r.Stdout, r.ExitCode, r.Stderr)
		}
	}
	// sshd passes over a line with an option that it cannot read.
	for _, options := range []string{
		`permitopen="` + strings.Repeat("a", 253) + `:22",permitopen="[::1]:*",permitlisten="80",permitlisten="*:*"`,
		`from="127.0.0.0/8,!192.0.2.0/24,::1,*.example.com,?"`, `expiry-time="99991231235959Z"`,
		"RESTRICT,permit-pty,X11-Forwarding,agent-forwarding,port-forwarding,user-rc",
	} {
		allow(options)
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	}
}
