package endtoend_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

// TestRuleOptions: real sshd enforces what a rule limits.
func TestRuleOptions(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	allow := func(options string) {
		h.Write(t, "auth_id", "alice alice@example.com "+op.URL+" "+options+"\n")
	}
	ssh := h.Client(t, id.Key, id.Key+"-cert.pub")

	t.Run("from another network", func(t *testing.T) {
		allow(`from="192.0.2.0/24"`)
		if r := ssh.SSH(t, "alice", "id -un"); r.ExitCode != 255 {
			t.Errorf("expected a refusal, got %+v", r)
		}
		// We had let the login pass: the refusal is sshd's.
		if d := h.LastRecord(t); d["decision"] != "allow" {
			t.Errorf("got %v", d)
		}
	})
	t.Run("from this network", func(t *testing.T) {
		allow(`from="192.0.2.0/24,127.0.0.0/8"`)
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	})
	t.Run("command", func(t *testing.T) {
		allow(`command="echo \"for you, $USER\"; echo $SSH_ORIGINAL_COMMAND"`)
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "for you, alice\nid -un\n")
	})
	t.Run("no-pty", func(t *testing.T) {
		allow("no-pty")
		r := h.Client(t, id.Key, id.Key+"-cert.pub", "RequestTTY force").SSH(t, "alice", "tty || true")
		if strings.Contains(r.Stdout, "/dev/") || !strings.Contains(r.Stderr, "PTY allocation request failed") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("without no-pty", func(t *testing.T) {
		allow("")
		r := h.Client(t, id.Key, id.Key+"-cert.pub", "RequestTTY force").SSH(t, "alice", "tty")
		if !strings.Contains(r.Stdout, "/dev/pts/") {
			t.Errorf("got %+v", r)
		}
	})
	for options, forwards := range map[string]bool{
		"":                                  true,
		"no-port-forwarding":                false,
		"restrict":                          false,
		"restrict,port-forwarding":          true,
		`permitopen="127.0.0.1:1"`:          false,
		`permitlisten="localhost:1",no-pty`: true,
	} {
		t.Run("forwarding with "+options, func(t *testing.T) {
			allow(options)
			// The server's own sshd answers at the far end of the tunnel with its banner.
			client := h.Client(t, id.Key, id.Key+"-cert.pub")
			r := client.Forward(t, "alice", h.Port)
			if got := strings.HasPrefix(r.Stdout, "SSH-2.0-"); got != forwards {
				t.Errorf("expected forwarding %v, got %+v", forwards, r)
			}
		})
	}
	t.Run("restrict", func(t *testing.T) {
		allow("restrict")
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
		r := h.Client(t, id.Key, id.Key+"-cert.pub", "RequestTTY force").SSH(t, "alice", "tty || true")
		if strings.Contains(r.Stdout, "/dev/") || !strings.Contains(r.Stderr, "PTY allocation request failed") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("expiry-time in the past", func(t *testing.T) {
		allow("expiry-time=" + time.Now().Add(-48*time.Hour).Format(`"20060102"`))
		wantRefused(t, h, ssh.SSH(t, "alice", "id -un"), "rule-expired")
	})
	t.Run("expiry-time in the future", func(t *testing.T) {
		allow("expiry-time=" + time.Now().Add(48*time.Hour).Format(`"200601021504"`))
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	})
}

// TestCertificateLimits: what people put into their own certificates binds them, and sshd enforces it.
func TestCertificateLimits(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\nbob alice@example.com "+op.URL+"\n")
	login := func(t *testing.T, change func(*issuer.Identity)) *issuer.Identity {
		id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
		change(id)
		id.Write(t)
		return id
	}
	t.Run("principals", func(t *testing.T) {
		id := login(t, func(id *issuer.Identity) { id.Certificate.ValidPrincipals = []string{"alice"} })
		ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
		wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
		wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "certificate-principals")
	})
	t.Run("no principals, as older clients write", func(t *testing.T) {
		id := login(t, func(id *issuer.Identity) { id.Certificate.ValidPrincipals = nil })
		r := h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "id -un")
		if sshd.Before(t, 10, 3) {
			wantOutput(t, h, r, "alice\n")
		} else if r.ExitCode != 255 { // sshd takes no principals for nobody
			t.Errorf("expected a refusal, got %+v", r)
		}
	})
	t.Run("force-command", func(t *testing.T) {
		id := login(t, func(id *issuer.Identity) {
			id.Certificate.CriticalOptions = map[string]string{"force-command": "echo forced"}
		})
		wantOutput(t, h, h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "id -un"), "forced\n")
	})
	t.Run("source-address", func(t *testing.T) {
		id := login(t, func(id *issuer.Identity) {
			id.Certificate.CriticalOptions = map[string]string{"source-address": "192.0.2.0/24"}
		})
		if r := h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "id -un"); r.ExitCode != 255 {
			t.Errorf("expected a refusal, got %+v", r)
		}
	})
	t.Run("another signer", func(t *testing.T) {
		id := login(t, func(*issuer.Identity) {})
		other := op.Login(t, map[string]any{"email": "bob@example.com"})
		id.Signer = other.Signer
		id.Write(t)
		// ssh itself does not mind who signed a certificate.
		wantRefused(t, h, h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "id -un"), "certificate-signer")
	})
	t.Run("stolen certificate", func(t *testing.T) {
		id := login(t, func(*issuer.Identity) {})
		thief := op.Login(t, map[string]any{"email": "bob@example.com"})
		certificate, err := os.ReadFile(id.Key + "-cert.pub")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(thief.Key+"-cert.pub", certificate, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := h.Client(t, thief.Key, thief.Key+"-cert.pub").SSH(t, "alice", "id -un"); r.ExitCode != 255 {
			t.Errorf("expected a refusal, got %+v", r)
		}
	})
}
