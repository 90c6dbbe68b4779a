package endtoend_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// TestOneRecordPerLogin: sshd asks twice about a certificate that it lets in.
func TestOneRecordPerLogin(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
	want := func(what string, want int) {
		t.Helper()
		if got := h.Records(t); len(got) != want {
			t.Errorf("%s: expected %d records, got %v", what, want, got)
		}
	}
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	want("a login", 1)
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
	want("another one", 2)
	wantRefused(t, h, ssh.SSH(t, "bob", "id -un"), "no-rule")
	want("a refused one", 3)

	const crowd = 20
	var logins sync.WaitGroup
	for range crowd {
		logins.Go(func() {
			if r := ssh.SSH(t, "alice", "true"); r.ExitCode != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	logins.Wait()
	want("many at once", 3+crowd)
	sessions := map[any]bool{}
	for _, r := range h.Records(t)[3:] {
		sessions[r["sshd_pid"]] = true
	}
	if len(sessions) != crowd {
		t.Errorf("expected records of %d connections, got %d", crowd, len(sessions))
	}
}

// TestHostileValuesInTheLog: whoever may choose a name at the provider writes no line of their own, and nothing to a terminal.
func TestHostileValuesInTheLog(t *testing.T) {
	const evil = "x\x1b[2J\n{\"msg\":\"login\",\"decision\":\"allow\"}\u202e\u2028@example.com"
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Config(t, "home_policy: false\n")
	h.Write(t, "auth_id", "alice oidc:groups:staff "+op.URL+"\n")
	for _, test := range []struct {
		decision string
		groups   []string
	}{{"allow", []string{"staff"}}, {"deny", nil}} {
		id := op.Login(t, map[string]any{"email": evil, "groups": test.groups})
		r := h.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, "alice", "true")
		if d := h.LastRecord(t); d["decision"] != test.decision || d["email"] != evil || d["key_id"] != evil || (r.ExitCode == 0) != (test.decision == "allow") {
			t.Errorf("%s: got %v, %+v", test.decision, d, r)
		}
	}
	data, err := os.ReadFile(filepath.Join(h.LogDir, "opkssh.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(data), "\n") != 2 || strings.ContainsFunc(string(data), func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
		t.Errorf("expected two lines of printable ASCII, got %q", data)
	}
}

// TestSystemLog: decisions go to the facility authpriv, with the severity of their level.
func TestSystemLog(t *testing.T) {
	op := issuer.Start(t)
	h := endtoend.StartIssuerHost(t, op)
	h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
	h.Write(t, "config.yml", "home_policy: false\n")
	log := h.SystemLog(t)
	id := op.Login(t, map[string]any{"email": "alice@example.com", "email_verified": true})
	ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
	const authpriv = 10 << 3
	for _, test := range []struct {
		user, decision string
		priority       int
	}{{"alice", "allow", authpriv | 6}, {"bob", "deny", authpriv | 4}} {
		ssh.SSH(t, test.user, "true")
		message := log.Next(t)
		parts := regexp.MustCompile(`^<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) opkssh\[\d+\]: (.*)$`).FindStringSubmatch(message)
		if parts == nil {
			t.Fatalf("not a message of RFC 3164: %q", message)
		}
		if _, err := time.Parse(time.Stamp, parts[2]); err != nil || parts[1] != strconv.Itoa(test.priority) {
			t.Errorf("expected the priority %d, got %q, %v", test.priority, message, err)
		}
		var record map[string]any
		if err := json.Unmarshal([]byte(parts[3]), &record); err != nil || record["decision"] != test.decision {
			t.Errorf("expected %s, got %q, %v", test.decision, message, err)
		}
		if rest := log.Rest(t); len(rest) != 0 {
			t.Errorf("expected one message, got also %q", rest)
		}
	}

	// A daemon that reads no more holds nobody up.
	log.Fill(t)
	wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
}
