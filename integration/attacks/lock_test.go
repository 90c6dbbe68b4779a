package attacks_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// lock runs verifier lock, and gives what it says.
func (h *host) lock(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(endtoend.Verifier(t), append([]string{"lock", "--config-dir", h.config}, args...)...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("lock %q: expected the exit status %d, got %d and\n%s", args, want, got, out)
	}
	return string(out)
}

// TestTokenFromBeforeTheLock.
//
// Power: a token from before the lock, of a provider whose clock is ahead of the host's by as much as is accepted.
// Move: logs in after the lock: the token says that it is from after it.
// Expected: revoked. A login after that minute gets in.
func TestTokenFromBeforeTheLock(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]int64{"right": 0, "50 s ahead": 50, "60 s ahead": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, op := newIssuerHost(t)
			f := forge(t, op.Issuer)
			f.claims["iat"] = time.Now().Unix() + ahead
			o := f.offer()
			h.attack(t, o, allowed)
			if said := h.lock(t, 0, "--until-new-login", "alice@example.com"); !strings.Contains(said, "has to be repeated") {
				t.Errorf("expected a hint about logins in the next minute, got\n%s", said)
			}
			h.attack(t, o, "revoked")
			// As if the lock were of a minute ago.
			h.write(t, "config.yml", logToStderr)
			h.lock(t, 0, "--until-new-login", "--before", time.Now().Add(-time.Second).UTC().Format(time.RFC3339), "alice@example.com")
			h.attack(t, forge(t, op.Issuer).offer(), allowed)
		})
	}
}

// TestLockByTheLog.
//
// Power: an address or subject with letters that are not ASCII, or with a backslash.
// Move: none: the administrator copies from the log, where these are escaped, and believes that the person is locked.
// Expected: an address is refused, and anything else, which may be as it is, locked with a warning. Both say what to write. With that it locks.
func TestLockByTheLog(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	for _, test := range []struct {
		name, claim, value string
		flag               []string
		copied             string
		want               string // once it is locked
	}{
		{"an email", "email", "jürgen@example.com", nil, `j\u00fcrgen@example.com`, "denied-email"},
		{"an email of many letters", "email", "名前@例え.jp", nil, `\u540d\u524d@\u4f8b\u3048.jp`, "denied-email"},
		{"beyond 16 bits", "email", "😀@example.com", nil, `\ud83d\ude00@example.com`, "denied-email"},
		{"a subject", "sub", "jürgen", []string{"--issuer", op.URL, "--sub"}, `j\u00fcrgen`, "denied-subject"},
		{"a subject with a backslash", "sub", `EXAMPLE\alice`, []string{"--issuer", op.URL, "--sub"}, `EXAMPLE\\alice`, "denied-subject"},
		{"a claim", "groups", "Büro", []string{"--claim"}, `groups:B\u00fcro`, "denied-claim"},
		{"until a new login", "email", "jürgen@example.com", []string{"--until-new-login"}, `j\u00fcrgen@example.com`, "revoked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice oidc:ours:yes "+op.URL+"\n")
			f := forge(t, op.Issuer)
			f.claims["ours"], f.claims[test.claim] = "yes", test.value
			o := f.offer()
			a := h.attack(t, o, allowed)
			if test.claim != "groups" && !strings.Contains(a.stderr, `"`+test.copied+`"`) {
				t.Errorf("expected %s in the log, got\n%s", test.copied, a.stderr)
			}
			meant := test.value
			if test.claim == "groups" {
				meant = "groups:" + meant
			}
			if test.claim == "email" {
				if said := h.lock(t, 2, append(test.flag, test.copied)...); !strings.Contains(said, "\nhint: write it as it is: "+meant+"\n") {
					t.Errorf("expected what to write, got\n%s", said)
				}
			} else if said := h.lock(t, 0, append(test.flag, test.copied)...); !strings.Contains(said, "if it was copied from the log, lock "+meant+"\n") {
				t.Errorf("expected a warning, got\n%s", said)
			}
			h.attack(t, o, allowed)
			h.lock(t, 0, append(test.flag, meant)...)
			h.attack(t, o, test.want)
		})
	}
	t.Run("in config.yml", func(t *testing.T) {
		// Locks of an older release. They keep nobody out, and so they keep not everybody out either.
		for _, config := range []string{
			`deny_emails: ['j\u00fcrgen@example.com']`, `deny_emails: [j\u00fcrgen@example.com]`, `deny: [{claim: 'email:j\u00fcrgen@example.com'}]`,
			`revoked_before: {'j\u00fcrgen@example.com': 2026-11-20T09:00:00Z}`,
		} {
			h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n")
			h.write(t, "config.yml", logToStderr+config+"\n")
			h.attack(t, forge(t, op.Issuer).offer(), allowed)
		}
		h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n")
		h.write(t, "config.yml", logToStderr+`deny_emails: ["j\u00fcrgen@example.com"]`+"\n") // double quotes undo it
		f := forge(t, op.Issuer)
		f.claims["email"] = "jürgen@example.com"
		h.attack(t, f.offer(), "denied-email")
	})
}
