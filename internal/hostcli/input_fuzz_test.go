package hostcli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"opkssh/integration/allocation"
	"opkssh/internal/printable"
)

// FuzzVerifyArguments: whoever the client says it is, no word of theirs becomes a flag of ours, and none is lost.
func FuzzVerifyArguments(f *testing.F) {
	const key = "AAAAC3NzaC1lZDI1NTE5AAAAIPZpCk6vUYMmJPQuFQBEQ53MPpCr6hTOfO0bmRmrUPgP"
	for _, user := range []string{"alice", "--help", "--config-dir=/tmp", "-v", "", "AAAA", "ssh-rsa", "a b", "%u", "\x00"} {
		f.Add(user, key, "ssh-ed25519", "192.0.2.1 50000 192.0.2.2 22")
	}
	f.Add("AAAA", "AAAA", "ssh-", "ssh-rsa")
	f.Add("alice", "AAAA=", "rsa-sha2-512-cert-v01@openssh.com", "fe80::1%eth0 1 ::1 2")
	f.Fuzz(func(t *testing.T, user, key, keyType, further string) {
		flags := []string{"--config-dir", "/etc/opk", "-v"}
		args := append(slices.Clone(flags), user, key, keyType, further)
		got, err := parseVerifyArguments(args)
		if err != nil {
			if strings.HasPrefix(key, "AAAA") && isKeyType(keyType) {
				t.Fatalf("%q: %v", args, err)
			}
			return
		}
		if all := append(append(slices.Clone(got.flags), got.user, got.key, got.keyType), got.furtherTokens...); !slices.Equal(all, args) {
			t.Fatalf("expected %q, got %q", args, all)
		}
		// sshd gives a key and its type, whatever the user's name is.
		if strings.HasPrefix(key, "AAAA") && isKeyType(keyType) && (!slices.Equal(got.flags, flags) || got.user != user) {
			t.Fatalf("%q: expected the user %q, got %+v", args, user, got)
		}
		if public, err := parseKey(got); err == nil && (public.Type() != got.keyType || base64.StdEncoding.EncodeToString(public.Marshal()) != got.key) {
			t.Errorf("%q: got another key", got.key)
		}
		if ends, ok := parseEndpoints(further); ok && (!ends.source.IsValid() || !ends.server.IsValid()) {
			t.Errorf("%q: got %v", further, ends)
		}
	})
}

// lineSink keeps what is logged.
type lineSink struct{ lines [][]byte }

func (s *lineSink) write(_ slog.Level, line []byte) error {
	s.lines = append(s.lines, bytes.Clone(line))
	return nil
}

// FuzzRecord: whatever somebody else wrote, a record is one line of printable ASCII and JSON, no longer than a syslog daemon takes,
// which says the same when it is read back.
func FuzzRecord(f *testing.F) {
	f.Add("alice", "a detail", "x,y")
	f.Add("\x1b[2J\u202e\u2028", "\xff\xfe\"\\", "\n{\"msg\":\"login\"}")
	f.Add(strings.Repeat("\U0001f600", 3000), strings.Repeat("\x00", 9000), strings.Repeat("a,", 5000))
	f.Fuzz(func(t *testing.T, user, detail, tokens string) {
		to := &lineSink{}
		log := slog.New(&recordHandler{to: to, json: func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }})
		r := &record{started: time.Now()}
		r.add("user", user)
		r.addUpTo(maxText, "detail", detail)
		r.addSSHDTokens(strings.Split(tokens, ","))
		if !r.write(log, slog.LevelWarn) || len(to.lines) != 1 {
			t.Fatalf("expected one line, got %q", to.lines)
		}
		line := to.lines[0]
		const syslogLine = 8 << 10
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if !ended || len(line) > syslogLine || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("not one line of printable ASCII in %d bytes: %q", len(line), line)
		}
		var read loggedDecision
		if err := json.Unmarshal(line, &read); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		cut := slices.Contains(read.Cut, "user")
		if utf8.ValidString(user) && (!strings.HasPrefix(user, read.User) || cut != (read.User != user)) {
			t.Fatalf("expected %q, got %q, cut %q", user, read.User, read.Cut)
		}
	})
}

// FuzzRecentDecisions: no line of a log breaks the reading of the others.
func FuzzRecentDecisions(f *testing.F) {
	const own = `{"time":"2026-11-20T06:26:23.4Z","msg":"login","id":"06ae0e4628fdf711","decision":"deny","reason":"no-rule","user":"alice"}`
	f.Add("Nov 20 06:26:23 vm opkssh[7]: " + own + "\n")
	f.Add("{\n" + own[:40])
	f.Add(`{"msg":"login","iat":"x"}` + "\n" + strings.Repeat("{", 1000))
	f.Fuzz(func(t *testing.T, log string) {
		var found []loggedDecision
		allocation.Check(t, len(log), func() { found = decisionsIn([]byte(log+"\n"+own), "") })
		if len(found) == 0 || found[0].User != "alice" {
			t.Fatalf("%q: expected alice's login as the last, got %v", log, found)
		}
		for _, d := range found {
			if d.Message != "login" || !isRecordID(d.ID) {
				t.Fatalf("%q: got %v", log, d)
			}
			if advice := adviceFor(d); strings.ContainsAny(advice, "$`|<>&\n") {
				t.Fatalf("%q: got the advice %q", log, advice)
			}
		}
	})
}

// FuzzPrintableWriter: what comes in parts is as printable as the whole.
func FuzzPrintableWriter(f *testing.F) {
	f.Add([]byte("a\x1b[2Jb\nc\td\r\nlast\x07"), 3)
	f.Add([]byte("\n\n\xff"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var b strings.Builder
		w := &printableWriter{to: &b}
		for part := range slices.Chunk(data, max(1, size%64)) {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		for i := range lines {
			lines[i] = printable.Text(lines[i])
		}
		if want := strings.Join(lines, "\n"); b.String() != want || strings.ContainsFunc(want, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("expected %q, got %q", want, b.String())
		}
	})
}

// FuzzFurtherClaims: a claim is refused, or is what the flags say.
func FuzzFurtherClaims(f *testing.F) {
	f.Add("groups=dev ops", "groups=b")
	f.Add("https://acme.com/x=y=z", "=")
	f.Add("aud=x", "")
	f.Fuzz(func(t *testing.T, first, second string) {
		claims, err := furtherClaims([]string{first, second})
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(first, "=")
		other, otherValue, _ := strings.Cut(second, "=")
		want := any(value)
		if name == other {
			want = []any{value, otherValue}
		}
		if name == "" || name == "iss" || name == "aud" || !reflect.DeepEqual(claims[name], want) {
			t.Errorf("%q, %q: expected %v, got %v", first, second, want, claims)
		}
	})
}
