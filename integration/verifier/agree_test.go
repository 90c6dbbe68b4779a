package verifier_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

// said is what a command decides, as far as all of them say it.
type said struct {
	Decision string  `json:"decision"`
	Reason   string  `json:"reason"`
	RuleFile string  `json:"rule_file"`
	RuleLine float64 `json:"rule_line"`
	Plugin   string  `json:"plugin"`
}

// agreeCase is a host's files and somebody who logs in, of a small vocabulary, so that they often meet.
type agreeCase struct {
	files   map[string]string
	claims  map[string]any
	flags   []string // the same claims for explain
	test    string   // the same claims for tests.yml
	user    string
	plugins bool
	spoiled string // a file that is not to be trusted, or ""
}

// write makes the host's files.
func (c *agreeCase) write(t *testing.T, h *host) {
	t.Helper()
	for name, text := range c.files {
		h.write(t, name, text)
	}
	if c.spoiled != "" {
		chmod(t, h, c.spoiled, 0o664)
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func generateCase(r *rand.Rand, op string) *agreeCase {
	c := &agreeCase{files: map[string]string{}, claims: map[string]any{}, user: pick(r, "root", "root", "root", "alice", "no-such-user")}
	row := func() string {
		identity := pick(r, "alice@example.com", "alice@example.com", "BOB@example.com", "oidc:groups:ops", "oidc:groups:dev", "oidc-match-end:email:@example.com", "oidc-match-end:email:@example.com", "user-1", "user-2",
			`"oidc:a claim:x y"`, "oidc:broken", "repo:acme/app")
		issuer := pick(r, op, op, op, op, op, op, op, op+"/", "https://other.example.com", "other.example.com")
		options := pick(r, "", "", "", " no-pty", ` command="echo \"x  y\"",restrict`, ` expiry-time="20200101"`, ` expiry-time="20990101"`, " no-such-option")
		return pick(r, "root", "root", "root", "alice", `"root"`) + " " + identity + " " + issuer + options + "\n"
	}
	rows := func(most int) (text string) {
		for range r.IntN(most) {
			text += pick(r, "", "", "# comment\n", "broken \"\n") + row()
		}
		return text
	}
	c.files["auth_id"], c.files["auth_id.d/10-a.conf"], c.files["auth_id.d/20-b.conf"] = rows(6), rows(4), rows(3)
	c.files["providers"] = pick(r, "", "broken\n") + op + " test-client 24h\n"
	if r.IntN(3) == 0 {
		c.files["providers"] = pick(r,
			op+" test-client 12h require=groups:ops\n", op+" test-client oidc acr=high\n", op+" other-client 24h\n", "https://other.example.com test-client 24h\n")
	}
	c.files["config.yml"] = "log: {to: stderr}\n" + pick(r, "", "", "require_email_verified: true\n") + pick(r, "", "", "", "", "", "", "", "",
		"deny_emails: [Alice@example.com]\n", "deny_users: [root]\n", "deny: [{claim: 'groups:dev'}]\n", "deny: [{sub: user-1, issuer: '"+op+"'}]\n",
		"revoked_before: {user-1: 2099-01-01T00:00:00Z}\n", "deny_email: [x@example.com]\n")
	if r.IntN(4) == 0 {
		c.plugins = true
		c.files["policy.d/10-p.yml"] = "name: p\ncommand: " + pick(r, "/bin/false", "/bin/echo allow", "/no/such/program", "relative") + "\nmode: " + pick(r, "allow", "require", "reqiure") + "\n"
	}
	if r.IntN(3) == 0 {
		c.spoiled = pick(r, "auth_id", "auth_id", "auth_id.d/10-a.conf", "auth_id.d/20-b.conf")
	}

	var test []string
	set := func(name, flag string, value any, yaml string) {
		c.claims[name] = value
		c.flags = append(c.flags, flag)
		test = append(test, yaml)
	}
	sub := pick(r, "user-1", "user-2", "user-3")
	set("sub", "--sub="+sub, sub, "sub: "+sub)
	if email := pick(r, "", "alice@example.com", "alice@example.com", "bob@EXAMPLE.com", "carol@example.org"); email != "" {
		set("email", "--email="+email, email, "email: "+email)
	}
	if r.IntN(2) == 0 {
		set("email_verified", "--claim=email_verified=true", true, "email_verified: true")
	}
	claims := ""
	switch r.IntN(4) {
	case 0:
		set("groups", "--claim=groups=ops", "ops", "")
		claims = "groups: ops"
	case 1:
		set("groups", "--claim=groups=dev", []any{"dev", "ops"}, "")
		c.flags = append(c.flags, "--claim=groups=ops")
		claims = "groups: [dev, ops]"
	case 2:
		set("a claim", "--claim=a claim=x y", "x y", "")
		claims = "a claim: x y"
	}
	test = slices.DeleteFunc(test, func(s string) bool { return s == "" })
	c.test = strings.Join(append(test, "claims: {"+claims+"}"), ", ")
	return c
}

// TestCommandsAgree: whatever the files and the person, explain of a certificate, explain of claims and test say what a login does, and
// check names each row that a login leaves out.
func TestCommandsAgree(t *testing.T) {
	const cases = 90
	r := rand.New(rand.NewPCG(7, 12))
	decided := map[string]int{}
	for range cases {
		h := newHost(t)
		c := generateCase(r, h.issuer.URL)
		c.write(t, h)
		id := h.issuer.Login(t, c.claims)
		show := func() string {
			text, err := json.MarshalIndent(c.files, "", "  ")
			check(t, err)
			return strings.ReplaceAll(string(text), `\n`, "\n") + fmt.Sprint(c.claims, " as ", c.user, ", spoiled: ", c.spoiled)
		}

		login := h.verify(t, c.user, id.Certificate)
		record, err := json.Marshal(login.decision(t))
		check(t, err)
		var want said
		check(t, json.Unmarshal(record, &want))
		decided[want.Decision+" "+want.Reason]++

		common := []string{c.user, "--config-dir=" + h.config, "--json"}
		certificate := append([]string{"--cert=" + id.Key + "-cert.pub", "--cache-dir=" + h.cache}, common...)
		claims := append(slices.Clone(c.flags), append([]string{"--issuer=" + h.issuer.URL, "--client-id=test-client"}, common...)...)
		for what, args := range map[string][]string{
			"explain --cert": append(certificate, "--plugins"), "explain --issuer": append(claims, "--plugins"), "plugins not asked": certificate,
		} {
			a := run(t, append([]string{"explain"}, args...)...)
			var got said
			check(t, json.Unmarshal([]byte(a.stdout), &got))
			if what == "plugins not asked" && c.plugins && got.Decision == "undecided" {
				continue
			}
			sameReason := got.Reason == want.Reason || what == "plugins not asked" && got.Decision == "deny" && c.plugins
			if want.Decision != got.Decision || !sameReason || (want.Decision == "allow" && want != got) {
				t.Errorf("%s\n%s: expected %+v, got %+v\n%s", show(), what, want, got, a.stdout)
			}
			if (a.code == 0) != (want.Decision == "allow") {
				t.Errorf("%s: expected the exit status of %s, got %d", what, want.Decision, a.code)
			}
			if what == "explain --cert" && want.Decision == "allow" {
				var x struct {
					Line string `json:"authorized_keys"`
				}
				check(t, json.Unmarshal([]byte(a.stdout), &x))
				if x.Line+"\n" != login.stdout {
					t.Errorf("%s\nexpected the line %q, got %q", show(), login.stdout, x.Line)
				}
			}
		}

		// Some reasons cannot be expected of a host that is in order.
		expect := want.Reason
		if want.Decision == "allow" {
			expect = "allow"
		} else if want.Reason == "configuration" || want.Reason == "rule-untrusted" {
			expect = "deny"
		}
		tests := fmt.Sprintf("tests: [{user: %s, issuer: %q, client_id: test-client, %s, expect: %s}]\n", c.user, h.issuer.URL, c.test, expect)
		h.write(t, "tests.yml", tests)
		if a := run(t, "test", "--config-dir="+h.config, "--plugins"); (a.code == 0) != (want.Reason != "configuration" && c.spoiled == "") ||
			want.Reason != "configuration" && !strings.Contains(a.stderr, "1 of 1 tests are as expected") {
			t.Errorf("%s\n%s\nexpected that the test passes, if the host is in order, got\n%s%s", show(), tests, a.stdout, a.stderr)
		}
		h.compareLeftOut(t, login, c)
	}
	t.Log(decided)
	if decided["allow "] < cases/10 || len(decided) < 8 {
		t.Errorf("the cases say little: %v", decided)
	}
}

// compareLeftOut: check finds all rows that the login could not use, and no more than the parser that all share.
func (h *host) compareLeftOut(t *testing.T, login *answer, c *agreeCase) {
	t.Helper()
	var faults []map[string]any
	checked := run(t, "check", "--config-dir="+h.config, "--json")
	check(t, json.Unmarshal([]byte(checked.stdout), &faults))
	for _, row := range login.log["row left out"] {
		if !slices.ContainsFunc(faults, func(f map[string]any) bool {
			return f["file"] == row["file"] && f["line"] == row["line"] && f["column"] == row["column"] && f["detail"] == row["detail"]
		}) {
			t.Errorf("a login leaves out %v, check says %v", row, faults)
		}
	}
	want := 0
	for name, text := range c.files {
		var problems []policy.Problem
		switch {
		case strings.HasPrefix(name, "auth_id"):
			_, problems = policy.ParseRules("", []byte(text))
		case name == "providers":
			_, problems = policy.ParseProviders("", []byte(text))
		case name == "config.yml":
			if _, err := policy.ParseConfig("", []byte(text)); err != nil {
				want++
			}
		default:
			var wrong *policy.ConfigError
			if _, err := policy.ParsePlugin("", []byte(text)); errors.As(err, &wrong) {
				want += len(wrong.All())
			}
		}
		want += len(problems)
	}
	if len(faults) != want || (checked.code == 0) != (want == 0) {
		t.Errorf("expected %d faults, got exit status %d and %v", want, checked.code, faults)
	}
}

// TestExplainCertificate: what only somebody's own certificate can show.
func TestExplainCertificate(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	explain := func(args ...string) *answer {
		t.Helper()
		return run(t, append([]string{"explain", "alice", "--config-dir=" + h.config, "--cert=" + id.Key + "-cert.pub", "--json"}, args...)...)
	}
	wantSaid := func(a *answer, decision, reason string) {
		t.Helper()
		var got said
		check(t, json.Unmarshal([]byte(a.stdout), &got))
		if got.Decision != decision || got.Reason != reason {
			t.Errorf("expected %s %s, got %+v\n%s", decision, reason, got, a.stderr)
		}
	}
	// A folder that is missing is not made: it would not be the verifier's.
	missing := filepath.Join(t.TempDir(), "cache")
	wantSaid(explain("--cache-dir="+missing), "allow", "")
	if _, err := os.Lstat(missing); err == nil {
		t.Error("explain made a cache folder")
	}
	asked := h.issuer.Requests()
	wantSaid(explain("--cache-dir="+missing, "--offline"), "deny", "keys-unavailable")
	wantSaid(explain("--cache-dir="+h.cache, "--offline"), "deny", "keys-unavailable")
	if got := h.issuer.Requests(); got != asked {
		t.Errorf("offline: expected no request, got %d", got-asked)
	}
	if left, err := os.ReadDir(h.cache); err != nil || len(left) > 0 {
		t.Errorf("offline: expected nothing in the cache, got %v, %v", left, err)
	}
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
	asked = h.issuer.Requests()
	wantSaid(explain("--cache-dir="+h.cache, "--offline"), "allow", "")
	if got := h.issuer.Requests(); got != asked {
		t.Errorf("offline: expected no request, got %d", got-asked)
	}

	h.write(t, "config.yml", "log: {to: stderr}\ndeny: [{key: '"+h.verify(t, "alice", id.Certificate).decision(t)["key_fingerprint"].(string)+"'}]\n")
	wantSaid(explain("--cache-dir="+h.cache), "deny", "denied-key")

	id.Certificate.KeyId = "root@example.com"
	id.Write(t)
	wantSaid(explain("--cache-dir="+h.cache), "deny", "certificate-key-id")
}

// TestExplainLogged: a refusal in the log is found by its ID, and what it was refused for is found again.
func TestExplainLogged(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(t.TempDir(), "log")
	h.write(t, "config.yml", "log: {to: "+log+"}\n")
	// The record says which of a provider's rows it was.
	h.write(t, "providers", h.issuer.URL+" other-client 24h require=hd:example.com\n"+h.issuer.URL+" test-client 24h\n")
	id := h.issuer.Login(t, alice)
	if a := h.verify(t, "deploy", id.Certificate); a.stdout != "" {
		t.Fatalf("expected a refusal, got %q", a.stdout)
	}
	text, err := os.ReadFile(log)
	check(t, err)
	var record map[string]any
	check(t, json.Unmarshal(text, &record))
	a := run(t, "explain", "--config-dir="+h.config, "--json", "--log="+record["id"].(string))
	var got said
	check(t, json.Unmarshal([]byte(a.stdout), &got))
	if a.code != 1 || got.Reason != "no-rule" {
		t.Errorf("expected no-rule, got %d, %+v", a.code, got)
	}
	if after, err := os.ReadFile(log); err != nil || string(after) != string(text) {
		t.Errorf("explain wrote to the log: %s", after)
	}
}
