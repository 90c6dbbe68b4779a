package endtoend_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/provider"
)

// TestAgentOnly: the private key is in the agent and in no file, and ssh needs no more.
func TestAgentOnly(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	h := endtoend.StartHost(t, p, "24h")
	h.Allow(t, p, "alice alice@example.com")
	alice := endtoend.NewPerson(t, p, "alice")
	alice.StartAgent(t)
	for _, kind := range []string{"ecdsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			alice.Login(t, "--provider", alice.Describe(), "--add-to-agent", "only", "-t", kind)
			key := filepath.Join(alice.Home, ".ssh", "id_"+kind)
			wantNoPrivateKey(t, alice.Home)

			// With nothing but the agent, as ssh is without a configuration.
			nothing := filepath.Join(t.TempDir(), "none")
			bare := h.Client(t, nothing, "", "IdentityAgent "+alice.Agent, "IdentitiesOnly no")
			wantOutput(t, h, bare.SSH(t, "alice", "id -un"), "alice\n")

			// With the certificate's file, which chooses the key among those in the agent.
			chosen := h.Client(t, key, "", "IdentityAgent "+alice.Agent)
			wantOutput(t, h, chosen.SSH(t, "alice", "id -un"), "alice\n")

			// Without the agent there is no key.
			if r := h.Client(t, key, key+"-cert.pub").SSH(t, "alice", "id -un"); r.ExitCode != 255 {
				t.Errorf("expected a refusal, got %+v", r)
			}
		})
	}
	if output, code := alice.Run(t, "status"); code != 0 || !strings.Contains(output, "in the ssh-agent alone") {
		t.Errorf("status: exit code %d\n%s", code, output)
	}
	if output, code := alice.Run(t, "logout"); code != 0 {
		t.Errorf("logout: exit code %d\n%s", code, output)
	}
	wantNothingLeft(t, alice)
}

// TestTwoAccounts: one person, two accounts at two providers, two hosts that each know one. ssh finds the key for each.
func TestTwoAccounts(t *testing.T) {
	work, private := provider.Start(t, provider.Zitadel), provider.Start(t, provider.OIDCProvider)
	atWork, atHome := endtoend.StartHost(t, work, "24h"), endtoend.StartHost(t, private, "24h")
	atWork.Allow(t, work, "alice alice@example.com")
	atHome.Allow(t, private, "bob bob@example.com")

	alice := endtoend.NewPerson(t, work, "alice")
	alice.StartAgent(t)
	bob := endtoend.NewPerson(t, private, "bob") // the same person elsewhere
	bob.Home, bob.Agent = alice.Home, alice.Agent
	if output, code := alice.Run(t, "login", "--configure"); code != 0 {
		t.Fatalf("login --configure: exit code %d\n%s", code, output)
	}
	alice.Login(t, "--provider", alice.Describe(), "--add-to-agent", "yes")
	bob.Login(t)

	lines := identityLines(t, alice.Home)
	if len(lines) != 2 {
		t.Errorf("expected two identities, got %q", lines)
	}
	nothing := filepath.Join(t.TempDir(), "none")
	for _, agent := range []string{"none", alice.Agent} {
		lines := append([]string{"IdentityAgent " + agent}, lines...)
		wantOutput(t, atWork, atWork.Client(t, nothing, "", lines...).SSH(t, "alice", "id -un"), "alice\n")
		wantOutput(t, atHome, atHome.Client(t, nothing, "", lines...).SSH(t, "bob", "id -un"), "bob\n")
	}
	if output, code := alice.Run(t, "status"); code != 0 || strings.Count(output, "state    good") != 2 {
		t.Errorf("status: exit code %d\n%s", code, output)
	}
	if output, code := alice.Run(t, "logout", "--all"); code != 0 || strings.Count(output, "removed ") != 5 {
		t.Errorf("logout: exit code %d\n%s", code, output)
	}
	wantNothingLeft(t, alice)
	if lines := identityLines(t, alice.Home); len(lines) > 0 {
		t.Errorf("identities after the logout: %q", lines)
	}
}

// identityLines are those that ssh would read through ~/.ssh/config, for a home folder that is not this user's.
func identityLines(t *testing.T, home string) []string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(home, ".ssh", "config"))
	if err != nil || !strings.HasPrefix(string(config), "Include ~/.ssh/opkssh/config\n") {
		t.Fatalf("~/.ssh/config: %q, %v", config, err)
	}
	included, err := os.ReadFile(filepath.Join(home, ".ssh", "opkssh", "config"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(included)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "IdentityFile ") {
			lines = append(lines, strings.ReplaceAll(line, "~", home))
		}
	}
	return lines
}

func wantNoPrivateKey(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if strings.Contains(string(data), "PRIVATE KEY") {
			t.Errorf("%s holds a private key", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantNothingLeft looks for keys, certificates and tokens in the person's home folder and agent.
func wantNothingLeft(t *testing.T, p *endtoend.Person) {
	t.Helper()
	wantNoPrivateKey(t, p.Home)
	for _, pattern := range []string{".ssh/*-cert.pub", ".ssh/opkssh/*-cert.pub", ".opk/refresh-tokens/*"} {
		if left, _ := filepath.Glob(filepath.Join(p.Home, pattern)); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
	list := exec.Command("ssh-add", "-l")
	list.Env = p.Environment()
	if out, err := list.CombinedOutput(); err == nil {
		t.Errorf("in the agent: %s", out)
	}
	if output, code := p.Run(t, "status"); code != 2 {
		t.Errorf("status: exit code %d\n%s", code, output)
	}
}
