package installer_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/installer"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

// control is a machine from which Ansible configures a system over ssh.
type control struct {
	dir, config string
}

func newControl(t *testing.T, r *installer.Root) *control {
	t.Helper()
	root := sshd.NewIdentity(t)
	r.Write(t, "root/.ssh/authorized_keys", root.AuthorizedKey+"\n", 0o600)
	return &control{dir: t.TempDir(), config: r.Client(t, root.File, "").Config}
}

// play runs the role with these variables, and gives how many tasks changed something.
func (c *control) play(t *testing.T, vars string, args ...string) (changed, output string, code int) {
	t.Helper()
	roles, err := filepath.Abs("../../policies/ansible/roles")
	if err != nil {
		t.Fatal(err)
	}
	playbook := filepath.Join(c.dir, "site.yml")
	text := "- hosts: all\n  gather_facts: false\n  environment: {PYTHONDONTWRITEBYTECODE: \"1\"}\n  roles: [opkssh]\n  vars:\n" + vars
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ansible-playbook", append([]string{"--inventory", sshd.HostName + ",", "--user", "root", playbook}, args...)...)
	cmd.Dir = c.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C.UTF-8",
		"ANSIBLE_ROLES_PATH=" + roles, "ANSIBLE_PIPELINING=1", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCAL_TEMP=" + c.dir + "/local", "ANSIBLE_REMOTE_TEMP=/run/ansible",
		"ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "ANSIBLE_HOST_KEY_CHECKING=1", "ANSIBLE_SSH_ARGS=-F " + c.config + " -o ControlMaster=auto -o ControlPersist=30s",
		"ANSIBLE_SSH_CONTROL_PATH_DIR=" + c.dir,
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	count := regexp.MustCompile(`changed=(\d+)`).FindStringSubmatch(string(out))
	if count == nil {
		t.Fatalf("expected a recap of ansible-playbook, got\n%s", out)
	}
	return count[1], string(out), cmd.ProcessState.ExitCode()
}

// TestAnsibleRole: the role sets a system up over ssh, changes nothing the second time, refuses rules that could not be used, and
// takes everything back.
func TestAnsibleRole(t *testing.T) {
	t.Parallel()
	r := installer.New(t)
	r.Boot(t)
	c := newControl(t, r)
	// A folder of the system that Debian leaves out.
	want(t, r.Run(t, "mkdir", "/usr/local/libexec"), 0)
	op := issuer.Start(t)
	before := r.Tree(t)
	vars := fmt.Sprintf(`
    opkssh_binary: %[1]s
    opkssh_providers:
      - {issuer: %[2]q, client_id: %[3]q}
      - {issuer: "https://sso.example.com", client_id: "it's ours", expiration: 12h, options: ["require=email_verified:true", "max-auth-age=1h"]}
    opkssh_rules:
      - {user: alice, identity: "oidc:groups:dev ops", issuer: %[2]q, limits: 'from="127.0.0.0/8",command="echo \"as $USER\"",no-pty'}
      - {user: root, identity: mallory@example.com, issuer: %[2]q}
      - {user: root, identity: root@example.com, issuer: %[2]q}
    opkssh_deny_emails: [mallory@example.com]
    opkssh_revoked_before: {"bob@example.com": 2026-11-20T09:00:00Z}
    opkssh_deny: [{claim: "groups:contractors"}]
    opkssh_config: {key_cache: {ttl: 2h}}
    opkssh_plugins:
      - {name: where, program: %[4]s, arguments: ["127.0.0.*"], mode: require}
`, endtoend.Verifier(t), op.URL, pktokentest.ClientID, pluginPath(t, "source-address"))

	_, output, code := c.play(t, vars, "--check")
	if code != 0 {
		t.Fatalf("check mode on a clean system: %s", output)
	}
	r.WantTree(t, before)
	changed, output, code := c.play(t, vars)
	if code != 0 || changed == "0" {
		t.Fatalf("exit code %d, changed %s\n%s", code, changed, output)
	}
	for _, args := range [][]string{nil, {"--check", "--diff"}} {
		if changed, output, code := c.play(t, vars, args...); code != 0 || changed != "0" {
			t.Errorf("again, %v: exit code %d, changed %s\n%s", args, code, changed, output)
		}
	}
	want(t, r.Run(t, "verifier", "check"), 0)
	want(t, r.Run(t, "verifier", "permissions", "check"), 0)
	config := r.Run(t, "cat", "/etc/opk/config.yml")
	for _, text := range []string{"mallory@example.com", "bob@example.com", "groups:contractors", "ttl: 2h", "home_policy: true"} {
		if !strings.Contains(config.Stdout, text) {
			t.Errorf("config.yml: expected %s, got %s", text, config.Stdout)
		}
	}
	want(t, r.Run(t, "test", "-e", "/etc/sudoers.d/opkssh"), 0)

	// sshd has no systemd here, which would have told it.
	r.Reload(t)
	login := func(user string, claims map[string]any) sshd.Result {
		claims["email_verified"] = true
		id := op.Login(t, claims)
		return r.Client(t, id.Key, id.Key+"-cert.pub").SSH(t, user, "id -un")
	}
	// Ours names no address: the plugin for addresses, which is required, says no until it is gone.
	if got := login("root", map[string]any{"email": "root@example.com"}); got.ExitCode != 255 {
		t.Errorf("without the plugin's consent: %+v", got)
	}
	vars = strings.Replace(vars, "mode: require", "mode: allow", 1)
	vars = strings.Replace(vars, "127.0.0.*", "192.0.2.1", 1)
	vars += "    opkssh_home_policy: false\n"
	if changed, output, code = c.play(t, vars); code != 0 || changed != "3" {
		t.Fatalf("config.yml, the plugin and sudoers: exit code %d, changed %s\n%s", code, changed, output)
	}
	want(t, r.Run(t, "test", "-e", "/etc/sudoers.d/opkssh"), 1)
	if got := login("root", map[string]any{"email": "root@example.com"}); got.Stdout != "root\n" {
		t.Errorf("a rule: %+v\n%s", got, r.Log())
	}
	if got := login("root", map[string]any{"email": "mallory@example.com"}); got.ExitCode != 255 {
		t.Errorf("a denied person: %+v", got)
	}
	if got := login("alice", map[string]any{"email": "carol@example.com", "groups": []string{"dev ops"}}); got.Stdout != "as alice\n" {
		t.Errorf("a rule with limits: %+v\n%s", got, r.Log())
	}

	// What the verifier could not use is never put in its place.
	rules := r.Run(t, "cat", "/etc/opk/auth_id")
	_, output, code = c.play(t, strings.Replace(vars, "root@example.com", "oidc-match-end:email:.", 1))
	if code == 0 || !strings.Contains(output, "failed to validate") {
		t.Errorf("a rule for everybody: exit code %d\n%s", code, output)
	}
	if got := r.Run(t, "cat", "/etc/opk/auth_id"); got.Stdout != rules.Stdout {
		t.Errorf("expected the rules of before, got %s", got.Stdout)
	}

	if _, output, code = c.play(t, vars+"    opkssh_state: absent\n"); code != 0 {
		t.Fatalf("absent: %s", output)
	}
	r.WantTree(t, before)
	if changed, output, code := c.play(t, vars+"    opkssh_state: absent\n"); code != 0 || changed != "0" {
		t.Errorf("absent again: exit code %d, changed %s\n%s", code, changed, output)
	}
}

func pluginPath(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../policies/plugins/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
