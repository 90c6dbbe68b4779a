package hostcli

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/internal/idp"
	"opkssh/internal/sshdsettings"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// TestEveryFindingIsDocumented: an administrator can look up each code that audit and doctor print.
func TestEveryFindingIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, code := range auditCodes() {
		if seen[code] {
			t.Errorf("%s stands for two things", code)
		}
		seen[code] = true
		if !strings.Contains(string(page), "| `"+code+"` |") {
			t.Errorf("docs/audit.md does not explain %s", code)
		}
	}
}

// TestDenialAdvice: advice is for reasons that there are.
func TestDenialAdvice(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason := range denialAdvice {
		if !strings.Contains(string(page), "`"+reason+"`") {
			t.Errorf("docs/reasons.md does not know %s", reason)
		}
	}
	for _, reason := range []string{string(policy.ReasonNoRule), string(pktoken.ReasonUnknownIssuer), "another"} {
		if got := adviceFor(loggedDecision{ID: "00ff", Reason: reason}); got == "" || strings.Contains(got, "%") {
			t.Errorf("%s: got %q", reason, got)
		}
	}
}

func TestParseSSHDCommand(t *testing.T) {
	for _, command := range []string{
		"/usr/local/bin/verifier verify %u %k %t",
		"/usr/local/bin/opkssh verify %u %k %t %C",
		`/usr/local/bin/verifier verify --config-dir=/etc/opk2 -v "%u" %k %t`,
	} {
		if _, err := parseSSHDCommand(command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	c, err := parseSSHDCommand(`/opt/verifier verify --config-dir "/etc/o pk" --cache-dir=/c %u %k %t %C %h`)
	if err != nil || c.program != "/opt/verifier" || c.options.configDir != "/etc/o pk" || c.options.cacheDir != "/c" || !slices.Equal(c.further, []string{"%C", "%h"}) {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, command := range []string{
		"/usr/local/bin/verifier verify", "/usr/local/bin/verifier verify %u", "/usr/local/bin/verifier verify %k %t %u", "/usr/local/bin/verifier verify %u %t %k",
		"/usr/local/bin/verifier verify alice %k %t", "/usr/local/bin/verifier verify %u %k %t0", "/usr/local/bin/verifier verify --no-such-flag %u %k %t",
		"/usr/local/bin/verifier verify x %u %k %t", "/usr/local/bin/verifier --config-dir=/x verify %u %k %t", "/usr/bin/sss_ssh_authorizedkeys %u", "none", "", `"`,
		"/usr/local/bin/verifier verify %u%k %k %t",
	} {
		if c, err := parseSSHDCommand(command); err == nil {
			t.Errorf("%s: expected an error, got %+v", command, c)
		}
	}
}

func TestSSHDUsers(t *testing.T) {
	for _, test := range []struct {
		settings, user string
		want           bool
	}{
		{"", "alice", true},
		{"allowusers alice", "alice", true},
		{"allowusers bob\nallowusers alice", "alice", true},
		{"allowusers bob", "alice", false},
		{"allowusers al*", "alice", true},
		{"allowusers ?lice", "alice", true},
		{"allowusers ALICE", "alice", false},
		{"allowusers alice@10.0.0.0/8", "alice", true},
		{"allowusers !alice\nallowusers *", "alice", false},
		{"allowusers [a]lice", "alice", false},
		{"allowusers alice@example.com", "alice@example.com", true},
		{"denyusers alice", "alice", false},
		{"denyusers a*", "alice", false},
		{"denyusers alice@10.0.0.1", "alice", true},
		{"denyusers bob", "alice", true},
		{"denyusers alice\nallowusers alice", "alice", false},
	} {
		if got, _ := allowsUser(sshdsettings.Parse(test.settings), test.user); got != test.want {
			t.Errorf("%q, %s: expected %v", test.settings, test.user, test.want)
		}
	}
}

// codesOf are code:severity of what a check found.
func codesOf(a *auditor) []string {
	var codes []string
	for _, f := range a.findings {
		codes = append(codes, f.Code+":"+string(f.Severity))
	}
	return codes
}

func TestClocks(t *testing.T) {
	for _, test := range []struct {
		probe idp.Probe
		want  []string
	}{
		{idp.Probe{SkewKnown: true}, nil},
		{idp.Probe{SkewKnown: true, Skew: 10 * time.Second}, nil},
		{idp.Probe{SkewKnown: true, Skew: 30 * time.Second}, []string{"clock-skew:warning"}},
		{idp.Probe{SkewKnown: true, Skew: -30 * time.Second}, []string{"clock-skew:warning"}},
		{idp.Probe{SkewKnown: true, Skew: 2 * time.Minute}, []string{"clock-skew:error"}},
		{idp.Probe{SkewKnown: true, Skew: -2 * time.Hour}, []string{"clock-skew:error"}},
		{idp.Probe{}, []string{"clock-unknown:note"}},
		{idp.Probe{SkewKnown: true, Algorithms: []string{"HS256", "ES256"}}, nil},
		{idp.Probe{SkewKnown: true, Algorithms: []string{"HS256", "none"}}, []string{"provider-algorithms:warning"}},
	} {
		a := &auditor{}
		a.checkProbe("https://op.example.com", &test.probe)
		if got := codesOf(a); !slices.Equal(got, test.want) {
			t.Errorf("%+v: expected %q, got %q", test.probe, test.want, got)
		}
	}
}

func TestAgeOfKeys(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name             string
		fetched          time.Duration // before now
		want             []string
		held, configured bool
	}{
		{"fresh", 30 * time.Minute, nil, true, true},
		{"nobody has logged in since this morning", 5 * time.Hour, nil, true, true},
		{"half of max_stale is gone", 14 * time.Hour, []string{"keys-stale:warning"}, true, true},
		{"too old", 26 * time.Hour, []string{"keys-too-old:warning"}, false, true},
		{"too old, of a provider that was", 26 * time.Hour, nil, false, false},
		{"from the future", -time.Hour, nil, true, true},
	} {
		fetched := now.Add(-test.fetched)
		r := newKeysReport(idp.Entry{Issuer: "x", FetchedAt: fetched, FreshUntil: fetched.Add(time.Hour), StaleUntil: fetched.Add(25 * time.Hour)}, now)
		r.Configured = test.configured
		a := &auditor{now: now, held: map[string]bool{}}
		a.checkKeysOf(r)
		if got := codesOf(a); !slices.Equal(got, test.want) || a.held["x"] != test.held {
			t.Errorf("%s: expected %q and %v, got %q and %v", test.name, test.want, test.held, got, a.held["x"])
		}
	}
	a := &auditor{now: now, held: map[string]bool{}}
	a.checkKeysOf(keysReport{Issuer: "x", State: keysMissing, Configured: true})
	if got := codesOf(a); !slices.Equal(got, []string{"keys-missing:note"}) {
		t.Errorf("missing: got %q", got)
	}
}

// TestPrintableWriter: what a less privileged process prints does not steer root's terminal.
func TestPrintableWriter(t *testing.T) {
	var b strings.Builder
	w := &printableWriter{to: &b}
	for _, part := range []string{"a\x1b[2", "Jb\nc\td", "\r\nlast\x07"} {
		if n, err := w.Write([]byte(part)); err != nil || n != len(part) {
			t.Fatal(n, err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if want := "a\\u001b[2Jb\nc\\u0009d\\u000d\nlast\\u0007"; b.String() != want {
		t.Errorf("expected %q, got %q", want, b.String())
	}
}

func FuzzParseSSHDSettings(f *testing.F) {
	f.Add("authorizedkeyscommand /usr/local/bin/verifier verify %u %k %t\nallowusers a b\n", "alice")
	f.Add("allowusers [\ndenyusers \\", "[")
	f.Fuzz(func(_ *testing.T, text, user string) {
		settings := sshdsettings.Parse(text)
		allowsUser(settings, user)
		_, _ = parseSSHDCommand(settings.Command())
	})
}
