package verifier_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
)

// underSSHD is a command that a process called sshd runs so many times, as sshd does for one connection.
func underSSHD(t *testing.T, times int, args ...string) *exec.Cmd {
	t.Helper()
	shell, err := exec.LookPath("sh")
	check(t, err)
	sshd := filepath.Join(t.TempDir(), "sshd")
	check(t, os.Symlink(shell, sshd))
	script := strings.Repeat("\"$@\" || status=$?\n", times) + "exit ${status:-0}"
	return exec.Command(sshd, append([]string{"-c", script, "sshd", endtoend.Verifier(t)}, args...)...)
}

func (h *host) writeProgram(t *testing.T, name, text string) (path string) {
	t.Helper()
	h.write(t, name, text)
	chmod(t, h, name, 0o755)
	return filepath.Join(h.config, name)
}

// TestEveryFieldIsTestedAndDocumented makes the verifier print each kind of line with each of its fields. All lines are held to
// the schema where they are read.
func TestEveryFieldIsTestedAndDocumented(t *testing.T) {
	seen := map[string]map[string]bool{}
	take := func(a *answer) *answer {
		t.Helper()
		for msg, records := range a.log {
			for _, record := range records {
				if seen[msg] == nil {
					seen[msg] = map[string]bool{}
				}
				for name := range record {
					seen[msg][name] = true
				}
			}
		}
		return a
	}
	claims := map[string]any{"email": "alice@example.com", "jti": "token-1"}

	h := newHost(t)
	id := h.issuer.Login(t, claims)
	h.write(t, "config.yml", "log: {to: stderr, level: debug}\n")
	h.write(t, "auth_id", "alice alice@example.com "+h.issuer.URL+` from="192.0.2.0/24",no-pty`+"\n")
	args := append(h.arguments("alice", id.Certificate), "192.0.2.7 51820 192.0.2.1 22", "/home/alice")
	take(runCommand(t, underSSHD(t, 2, args...)))
	take(h.verify(t, "bob", id.Certificate))

	check(t, os.WriteFile(filepath.Join(h.cache, "broken.json"), nil, 0o600))
	files, err := os.ReadDir(h.cache)
	check(t, err)
	for _, file := range files {
		check(t, os.WriteFile(filepath.Join(h.cache, file.Name()), []byte("{"), 0o600))
	}
	take(h.verify(t, "alice", id.Certificate))

	id.Certificate.KeyId = strings.Repeat("\u202e", 200)
	id.Write(t)
	take(h.verify(t, "alice", id.Certificate))
	id = h.issuer.Login(t, map[string]any{"email": "alice@example.com", "aud": "other"})
	take(h.verify(t, "alice", id.Certificate))

	// Keys that are old, and a provider that is gone.
	h = newHost(t)
	id = h.issuer.Login(t, claims)
	h.verify(t, "alice", id.Certificate)
	h.write(t, "config.yml", "log: {to: stderr}\nkey_cache: {ttl: 1s, max_stale: 24h, min_refresh: 1s, timeout: 1s}\n")
	h.issuer.Close()
	makeOld(t, h.cache)
	take(h.verify(t, "alice", id.Certificate))

	h = newHost(t)
	id = h.issuer.Login(t, claims)
	check(t, os.Chmod(h.cache, 0o777))
	h.write(t, "providers.d/10-open.conf", "\n")
	chmod(t, h, "providers.d/10-open.conf", 0o666)
	h.write(t, "providers.d/20-rows.conf", strings.Repeat("nonsense\n", 30))
	for i := range 30 {
		name := fmt.Sprintf("auth_id.d/%d.conf", i)
		h.write(t, name, "\n")
		chmod(t, h, name, 0o666)
	}
	take(h.verify(t, "alice", id.Certificate))

	h = newHost(t)
	id = h.issuer.Login(t, claims)
	h.write(t, "config.yml", "log: {to: stderr, level: debug}\n")
	loud := h.writeProgram(t, "loud", "#!/bin/sh\nfor i in $(seq 30); do echo 'not\033me' >&2; done\nexit 7\n")
	open := h.writeProgram(t, "open", "#!/bin/sh\necho allow\n")
	chmod(t, h, "open", 0o777)
	h.write(t, "policy.d/10-loud.yml", "name: loud\ncommand: "+loud+"\n")
	h.write(t, "policy.d/20-open.yml", "name: open\ncommand: "+open+"\n")
	h.write(t, "policy.d/30-broken.yml", "name: [\n")
	h.write(t, "policy.d/40-writable.yml", "name: x\ncommand: "+open+"\n")
	chmod(t, h, "policy.d/40-writable.yml", 0o666)
	take(h.verify(t, "bob", id.Certificate))
	remove(t, h, "policy.d/40-writable.yml")
	remove(t, h, "policy.d/30-broken.yml")
	yes := h.writeProgram(t, "yes", "#!/bin/sh\necho allow\n")
	h.write(t, "policy.d/50-yes.yml", "name: yes\ncommand: "+yes+"\n")
	if d := take(h.verify(t, "bob", id.Certificate)).decision(t); d["plugin"] != "yes" || d["decision"] != "allow" {
		t.Errorf("expected that the plugin allows, got %v", d)
	}
	id = h.issuer.Login(t, map[string]any{"email": "alice@example.com", "sub": "nul\x00"})
	take(h.verify(t, "bob", id.Certificate))

	take(h.verifyWithoutLandlock(t, "bob", id))

	h = newHost(t)
	h.write(t, "config.yml", "log: {to: stderr, level: debug}\nchain: [/bin/false, "+h.config+"/missing]\n")
	take(h.verify(t, "bob", id.Signer.PublicKey()))
	h.write(t, "config.yml", "chain: [\n")
	take(run(t, append([]string{"verify", "-v"}, h.arguments("bob", id.Signer.PublicKey())[1:]...)...))

	page, err := os.ReadFile("../../docs/audit-log.md")
	check(t, err)
	for msg, fields := range schemaFields(t) {
		for _, name := range fields {
			if !seen[msg][name] {
				t.Errorf("no %q with the field %s was printed", msg, name)
			}
			if !isDocumented(string(page), msg, name) {
				t.Errorf("docs/audit-log.md does not explain %s of %q", name, msg)
			}
		}
		if extra := slices.DeleteFunc(slices.Collect(maps.Keys(seen[msg])), func(n string) bool { return slices.Contains(fields, n) }); len(extra) > 0 {
			t.Errorf("the schema does not have %v of %q", extra, msg)
		}
	}
}

// makeOld sets back the times in the cache's files of providers, and of the attempts to get them.
func makeOld(t *testing.T, cache string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cache, "provider-*.json"))
	check(t, err)
	for _, file := range files {
		endtoend.MoveHeldKeys(t, file, -2*time.Hour)
	}
	attempts, err := filepath.Glob(filepath.Join(cache, "provider-*.attempt"))
	check(t, err)
	for _, file := range attempts {
		check(t, os.Remove(file))
	}
}

// isDocumented: a field of every line or of decisions has a row of its own, one of another kind stands in the row of its msg.
func isDocumented(page, msg, field string) bool {
	everyLine, _, _ := strings.Cut(page, "## Fields of a decision")
	if msg == "login" {
		everyLine = page
	}
	if strings.Contains(everyLine, "\n| `"+field+"` | ") {
		return true
	}
	for row := range strings.Lines(page) {
		if strings.HasPrefix(row, "| `"+msg+"` | ") && strings.Contains(row, "`"+field+"`") {
			return true
		}
	}
	return false
}

// TestSourceAddress: sshd's token %C, wherever it stands.
func TestSourceAddress(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	for _, test := range []struct {
		tokens []string
		want   map[string]any
	}{
		{[]string{"192.0.2.7 51820 192.0.2.1 22"}, map[string]any{
			"source_address": "192.0.2.7", "source_port": 51820.0, "server_address": "192.0.2.1", "server_port": 22.0}},
		{[]string{"/home/alice", "2001:db8::7 51820 fe80::1%eth0 22"}, map[string]any{
			"source_address": "2001:db8::7", "source_port": 51820.0, "server_address": "fe80::1%eth0", "server_port": 22.0,
			"sshd_tokens": []any{"/home/alice"}}},
		{[]string{"UNKNOWN 65535 UNKNOWN 65535"}, map[string]any{"sshd_tokens": []any{"UNKNOWN 65535 UNKNOWN 65535"}}},
		{[]string{"192.0.2.7 65536 192.0.2.1 22"}, map[string]any{"sshd_tokens": []any{"192.0.2.7 65536 192.0.2.1 22"}}},
		{[]string{"192.0.2.7 -1 192.0.2.1 22"}, map[string]any{"sshd_tokens": []any{"192.0.2.7 -1 192.0.2.1 22"}}},
		{[]string{"192.0.2.7 51820 192.0.2.1"}, map[string]any{"sshd_tokens": []any{"192.0.2.7 51820 192.0.2.1"}}},
		{[]string{"a\n\x1b b", ""}, map[string]any{"sshd_tokens": []any{"a\n\x1b b", ""}}},
		// %k once more would put the PK token into the log.
		{[]string{h.arguments("alice", id.Certificate)[5]}, map[string]any{}},
	} {
		d := h.verify(t, "alice", id.Certificate, test.tokens...).decision(t)
		got := map[string]any{}
		for _, name := range []string{"source_address", "source_port", "server_address", "server_port", "sshd_tokens"} {
			if d[name] != nil {
				got[name] = d[name]
			}
		}
		if !maps.EqualFunc(got, test.want, equalJSON) {
			t.Errorf("%q: expected %v, got %v", test.tokens, test.want, got)
		}
	}
}

func equalJSON(a, b any) bool {
	listA, isList := a.([]any)
	listB, isListB := b.([]any)
	if isList && isListB {
		return slices.Equal(listA, listB)
	}
	return !isList && !isListB && a == b
}

// TestOptionsInTheLog: what sshd was told to enforce.
func TestOptionsInTheLog(t *testing.T) {
	h := newHost(t)
	h.write(t, "auth_id", "alice alice@example.com "+h.issuer.URL+` from="192.0.2.0/24,198.51.100.0/24",no-pty`+"\n")
	d := h.verify(t, "alice", h.issuer.Login(t, alice).Certificate).decision(t)
	if want := []any{"from=192.0.2.0/24,198.51.100.0/24", "no-pty"}; !equalJSON(d["options"], any(want)) {
		t.Errorf("expected %q, got %q", want, d["options"])
	}
}

// TestRecordsStayShort: what somebody without a valid token says does not make a line that a syslog daemon would cut.
func TestRecordsStayShort(t *testing.T) {
	const rsyslog = 8 << 10
	h := newHost(t)
	long := strings.Repeat("\U000e0001\x1b\"é", 500)
	id := h.issuer.Login(t, map[string]any{"email": long, "sub": long, "iss": "https://" + long, "aud": long, "jti": long})
	id.Certificate.KeyId = long
	id.Certificate.ValidPrincipals = []string{long, "a"}
	id.Write(t)
	tokens := slices.Repeat([]string{strings.Repeat("é", 300)}, 20)
	a := h.verify(t, strings.Repeat("\x01", 5000), id.Certificate, tokens...)
	if len(a.stderr) > rsyslog {
		t.Errorf("expected at most %d bytes, got %d", rsyslog, len(a.stderr))
	}
	cut := a.decision(t)["cut"]
	for _, name := range []string{"user", "key_id", "sshd_tokens"} {
		if list, _ := cut.([]any); !slices.Contains(list, any(name)) {
			t.Errorf("cut does not name %s: %v", name, cut)
		}
	}
}

// TestOneRecordPerConnection: sshd asks about a certificate twice for each login.
func TestOneRecordPerConnection(t *testing.T) {
	h := newHost(t)
	id, other := h.issuer.Login(t, alice), h.issuer.Login(t, alice)
	twice := func(cert *ssh.Certificate, user string, tokens ...string) int {
		t.Helper()
		a := runCommand(t, underSSHD(t, 2, append(h.arguments(user, cert), tokens...)...))
		if n := strings.Count(a.stdout, "cert-authority"); n != 2 && user != "bob" {
			t.Fatalf("expected two grants, got %d\n%s", n, a.stderr)
		}
		return len(a.log["login"])
	}
	want := func(what string, want, got int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: expected %d records, got %d", what, want, got)
		}
	}
	want("a login", 1, twice(id.Certificate, "alice"))
	want("the same once more, from another sshd", 1, twice(id.Certificate, "alice"))
	want("another user", 1, twice(id.Certificate, "root"))
	want("another certificate", 1, twice(other.Certificate, "alice"))
	want("a refused login", 2, twice(id.Certificate, "bob"))

	// One sshd process, and something that changes between its questions.
	between := func(change func()) int {
		t.Helper()
		asked, goOn := filepath.Join(t.TempDir(), "asked"), filepath.Join(t.TempDir(), "go-on")
		cmd := underSSHD(t, 1, h.arguments("alice", id.Certificate)...)
		cmd.Args[2] = fmt.Sprintf("\"$@\" && >%s; until [ -e %s ]; do sleep 0.05; done; \"$@\" || true", asked, goOn)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		check(t, cmd.Start())
		defer func() { _ = cmd.Process.Kill() }()
		endtoend.Eventually(t, "the first question", func() bool { _, err := os.Stat(asked); return err == nil })
		change()
		check(t, os.WriteFile(goOn, nil, 0o600))
		check(t, cmd.Wait())
		return len(newAnswer(t, stdout.String(), stderr.String(), 0).log["login"])
	}
	marks := filepath.Join(h.cache, "logged")
	edit := func(change func(data []byte)) {
		data, err := os.ReadFile(marks)
		check(t, err)
		change(data)
		check(t, os.WriteFile(marks, data, 0o600))
	}
	check(t, os.Remove(marks))
	want("nothing changes", 1, between(func() {}))
	if info, err := os.Stat(marks); err != nil || info.Mode() != 0o600 || info.Size() > 2<<20 {
		t.Errorf("expected a small file of mode 0600, got %v, %v", info, err)
	}
	for _, test := range []struct {
		name           string
		change, revert func()
	}{
		{"another rule", func() { h.write(t, "auth_id", "# one more line\nalice alice@example.com "+h.issuer.URL+"\n") }, nil},
		{"no mark", func() { check(t, os.Remove(marks)) }, nil},
		{"an old mark", func() { edit(addToTimes(-time.Hour)) }, nil},
		{"a mark of the future", func() { edit(addToTimes(time.Hour)) }, nil},
		{"marks that are cut off", func() { check(t, os.Truncate(marks, 0)) }, nil},
		{"marks that others can write", func() { check(t, os.Chmod(marks, 0o666)) }, func() { check(t, os.Chmod(marks, 0o600)) }},
		{"marks of somebody else", func() { check(t, os.Chown(marks, 12345, 0)) }, func() { check(t, os.Chown(marks, 0, 0)) }},
		{
			"a link",
			func() { check(t, os.Rename(marks, marks+".old")); check(t, os.Symlink(marks+".old", marks)) },
			func() { check(t, os.Remove(marks)) },
		},
		{
			"a FIFO",
			func() { check(t, os.Remove(marks)); check(t, exec.Command("mkfifo", marks).Run()) },
			func() { check(t, os.Remove(marks)) },
		},
		{"a folder that others can write", func() { check(t, os.Chmod(h.cache, 0o777)) }, func() { check(t, os.Chmod(h.cache, 0o700)) }},
		{"somebody else's folder", func() { check(t, os.Chown(h.cache, 12345, 0)) }, func() { check(t, os.Chown(h.cache, 0, 0)) }},
	} {
		want(test.name, 2, between(test.change))
		if test.revert != nil {
			test.revert()
		}
	}

	// The first record reached nobody: sshd throws standard error away.
	log := filepath.Join(h.config, "logs", "opkssh.log")
	h.write(t, "config.yml", "log: {to: "+log+"}\n")
	between(func() { check(t, os.Mkdir(filepath.Dir(log), 0o700)) })
	if data, err := os.ReadFile(log); err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("the log's destination is back: expected one record, got %q, %v", data, err)
	}
	h.write(t, "config.yml", "log: {to: stderr}\n")

	// Not from sshd: somebody tries it out.
	h.verify(t, "alice", id.Certificate).decision(t)
	h.verify(t, "alice", id.Certificate).decision(t)
}

// addToTimes changes the times in a file of marks, the last 8 bytes of 32.
func addToTimes(d time.Duration) func(data []byte) {
	return func(data []byte) {
		for i := 24; i+8 <= len(data); i += 32 {
			if at := binary.BigEndian.Uint64(data[i:]); at != 0 {
				binary.BigEndian.PutUint64(data[i:], uint64(int64(at)+int64(d.Seconds())))
			}
		}
	}
}

// TestRepeatedRecord: at level debug the second is there, and says what it is.
func TestRepeatedRecord(t *testing.T) {
	h := newHost(t)
	h.write(t, "config.yml", "log: {to: stderr, level: debug}\n")
	cmd := underSSHD(t, 2, h.arguments("alice", h.issuer.Login(t, alice).Certificate)...)
	a := runCommand(t, cmd)
	records := a.log["login"]
	if len(records) != 2 || records[0]["repeated"] != nil || records[1]["repeated"] != true || records[1]["level"] != "DEBUG" {
		t.Fatalf("got %v", records)
	}
	if got := strconv.FormatFloat(records[0]["sshd_pid"].(float64), 'f', 0, 64); got != strconv.Itoa(cmd.ProcessState.Pid()) {
		t.Errorf("sshd_pid: expected %d, got %s", cmd.ProcessState.Pid(), got)
	}
	if records[0]["id"] == records[1]["id"] {
		t.Error("two runs have one id")
	}
}

// TestLinesOfOneRunShareTheirID: what was left out, and the decision that came of it.
func TestLinesOfOneRunShareTheirID(t *testing.T) {
	h := newHost(t)
	h.write(t, "auth_id", "alice nonsense\n")
	a := h.verify(t, "alice", h.issuer.Login(t, alice).Certificate)
	if rows := a.log["row left out"]; len(rows) != 1 || rows[0]["id"] != a.decision(t)["id"] {
		t.Errorf("got\n%s", a.stderr)
	}
}

// TestVerboseUnderSSHD: sshd throws standard error away, and with it would go the records.
func TestVerboseUnderSSHD(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.config, "opkssh.log")
	h.write(t, "config.yml", "log: {to: "+log+"}\n")
	args := h.arguments("alice", h.issuer.Login(t, alice).Certificate)
	runCommand(t, underSSHD(t, 1, append([]string{"verify", "-v"}, args[1:]...)...))
	if data, err := os.ReadFile(log); err != nil || strings.Count(string(data), "\"decision\"") != 1 {
		t.Errorf("expected one record, got %s, %v", data, err)
	}
}

// TestLogHangs: nobody gets in unseen, and nobody waits for ever.
func TestLogHangs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	log := filepath.Join(h.config, "opkssh.log")
	h.write(t, "config.yml", "log: {to: "+log+"}\n")
	args := append([]string{"-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-P", log, "-e", "inject=write:delay_enter=10s",
		endtoend.Verifier(t)}, h.arguments("alice", h.issuer.Login(t, alice).Certificate)...)
	if a := runCommand(t, exec.Command("strace", args...)); a.code != 0 || a.stdout != "" {
		t.Errorf("expected a refusal, got %+v", a)
	}
}

// TestTimeoutIsLogged: a file system that hangs is a refusal like others.
func TestTimeoutIsLogged(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
	args := append([]string{"-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-P", filepath.Join(h.config, "auth_id"),
		"-e", "inject=read:delay_enter=8s", endtoend.Verifier(t)}, h.arguments("alice", id.Certificate)...)
	wantReason(t, runCommand(t, exec.Command("strace", args...)), "timeout")
}

func TestLogFile(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.config, "opkssh.log")
	h.write(t, "config.yml", "log: {to: "+log+"}\n")
	id := h.issuer.Login(t, alice)
	trace := filepath.Join(t.TempDir(), "trace")
	runCommand(t, exec.Command("strace", append([]string{"-f", "-qq", "-o", trace, "-e", "trace=write", "-P", log, endtoend.Verifier(t)},
		h.arguments("alice", id.Certificate)...)...))
	if calls, err := os.ReadFile(trace); err != nil || strings.Count(string(calls), "write(") != 1 {
		t.Errorf("expected one write, got %s, %v", calls, err)
	}
	h.verify(t, "bob", id.Certificate)
	data, err := os.ReadFile(log)
	check(t, err)
	lines := slices.Collect(strings.Lines(string(data)))
	if len(lines) != 2 || holdToSchema(t, lines[0])["decision"] != "allow" || holdToSchema(t, lines[1])["decision"] != "deny" {
		t.Errorf("got\n%s", data)
	}
	if info, err := os.Stat(log); err != nil || info.Mode() != 0o600 {
		t.Errorf("expected mode 0600, got %v, %v", info.Mode(), err)
	}
	for name, prepare := range map[string]func(){
		"a link": func() { check(t, os.Symlink(log+".target", log)) },
		"a FIFO": func() { check(t, exec.Command("mkfifo", log).Run()) },
	} {
		check(t, os.Remove(log))
		prepare()
		a := h.verify(t, "alice", id.Certificate)
		wantLine(t, a, id)
		if a.decision(t); !strings.Contains(a.stderr, "log destination") {
			t.Errorf("%s: got\n%s", name, a.stderr)
		}
	}
}
