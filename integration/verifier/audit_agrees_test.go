package verifier_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// TestAuditAgrees: whatever the files, audit names each row and file that a login leaves out, says that nobody can log in exactly where config.yml
// keeps everybody out, and calls no rule useless that decides.
func TestAuditAgrees(t *testing.T) {
	const cases = 60
	useless := []string{"unknown-issuer", "issuer-near-miss", "duplicate-rule", "shadowed-rule", "covered-rule", "expired-rule"}
	r := rand.New(rand.NewPCG(4, 3))
	leftOut, decided := 0, 0
	for range cases {
		h := newHost(t)
		c := generateCase(r, h.issuer.URL)
		c.write(t, h)
		login := h.verify(t, c.user, h.issuer.Login(t, c.claims).Certificate)
		audit := run(t, "audit", "--offline", "--json", "--sshd", "/bin/false", "--config-dir", h.config, "--cache-dir", h.cache, "--user", "root")
		var findings []struct {
			Code, File   string
			Line, Column int
		}
		if err := json.Unmarshal([]byte(audit.stdout), &findings); err != nil {
			t.Fatalf("%v: %s\n%s", err, audit.stdout, audit.stderr)
		}
		rows, lines, unusable, untrusted := map[string]bool{}, map[string]string{}, false, ""
		for _, f := range findings {
			switch {
			case f.Code == "row-unusable":
				rows[fmt.Sprint(f.File, f.Line, f.Column)] = true
			case f.Code == "file-untrusted":
				untrusted = f.File
			case f.Code == "config-unusable":
				unusable = true
			case slices.Contains(useless, f.Code):
				lines[fmt.Sprint(f.File, f.Line)] = f.Code
			}
		}
		for _, row := range login.log["row left out"] {
			leftOut++
			if !rows[fmt.Sprint(row["file"], row["line"], row["column"])] {
				t.Errorf("audit does not name the row that a login leaves out: %v\n%s", row, audit.stdout)
			}
		}
		d := login.decision(t)
		if c.spoiled != "" && untrusted != filepath.Join(h.config, c.spoiled) || d["reason"] == "rule-untrusted" && d["rule_file"] != untrusted {
			t.Errorf("the login says %v, audit:\n%s", d, audit.stdout)
		}
		if unusable != (d["reason"] == "configuration") {
			t.Errorf("the login says %v, audit:\n%s", d, audit.stdout)
		}
		if d["decision"] == "allow" && d["plugin"] == nil {
			decided++
			if code := lines[fmt.Sprint(d["rule_file"], d["rule_line"])]; code != "" {
				t.Errorf("audit calls the rule that decides %s: %v\n%s", code, d, c.files)
			}
		}
	}
	if leftOut < cases/10 || decided < cases/10 {
		t.Errorf("too few cases mean something: %d rows left out, %d logins allowed", leftOut, decided)
	}
}
