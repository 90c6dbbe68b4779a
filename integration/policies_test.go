package integration

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/policy"
	"opkssh/policies"
)

// TestDefaultProviders: a new host believes the providers that people are offered, for a day.
func TestDefaultProviders(t *testing.T) {
	rows, problems := policy.ParseProviders("providers", []byte(policies.HostFile("providers")))
	known := policy.KnownProviders()
	if len(problems) != 0 || len(rows) != len(known) {
		t.Fatalf("expected %d rows, got %d, %v", len(known), len(rows), problems)
	}
	for i, row := range rows {
		if row.Issuer != known[i].Issuer || row.ClientID != known[i].ClientID || row.Expiry.MaxAge != 24*time.Hour {
			t.Errorf("expected %+v for 24h, got %+v", known[i], row)
		}
	}
	if rules, problems := policy.ParseRules("auth_id", []byte(policies.HostFile("auth_id"))); len(rules)+len(problems) != 0 {
		t.Errorf("auth_id: expected nobody, got %v, %v", rules, problems)
	}
}

// uncomment takes the mark from lines such as "#member: value", and leaves "# sentences" alone.
var uncomment = regexp.MustCompile(`(?m)^#(\S|  \S)`)

// TestDefaultsShowWhatWorks: what is commented out in the files of a new host can be taken into use as it stands.
func TestDefaultsShowWhatWorks(t *testing.T) {
	text := func(name string) []byte { return []byte(uncomment.ReplaceAllString(policies.HostFile(name), "$1")) }
	rows, problems := policy.ParseProviders("providers", text("providers"))
	if len(rows) != len(policy.KnownProviders())+2 || len(problems) != 0 {
		t.Errorf("providers: got %d rows, %v", len(rows), problems)
	}
	rules, problems := policy.ParseRules("auth_id", text("auth_id"))
	if len(rules) != 4 || len(problems) != 0 {
		t.Errorf("auth_id: got %d rules, %v", len(rules), problems)
	}
	config, err := policy.ParseConfig("config.yml", text("config.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if config.HomePolicy || !config.RequireEmailVerified || len(config.Locks()) != 5 || len(config.Chain) != 1 {
		t.Errorf("config.yml: got %+v", config)
	}
	if config, err := policy.ParseConfig("config.yml", []byte(policies.HostFile("config.yml"))); err != nil || !config.HomePolicy || len(config.Locks()) != 0 {
		t.Errorf("config.yml as it is: got %+v, %v", config, err)
	}
}

// TestSELinuxModuleBuilds: what is loaded on a host with SELinux is a module.
func TestSELinuxModuleBuilds(t *testing.T) {
	folder := t.TempDir()
	module, built := filepath.Join(folder, "opkssh.mod"), filepath.Join(folder, "opkssh.pp")
	for _, command := range [][]string{
		{"checkmodule", "-M", "-m", "-o", module, "../policies/host/opkssh.te"},
		{"semodule_package", "-o", built, "-m", module, "-f", "../policies/host/opkssh.fc"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v (run integration/setup.sh first)\n%s", err, out)
		}
	}
	// sshd's sessions have a type of their own since OpenSSH 9.8, with the same rights.
	text := policies.HostFile("opkssh.te")
	if a, b := strings.Count(text, "allow sshd_t "), strings.Count(text, "allow sshd_session_t "); a == 0 || a != b {
		t.Errorf("expected as many rights of both types, got %d and %d", a, b)
	}
}
