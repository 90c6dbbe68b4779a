package attacks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestRequiredPluginFile.
//
// Power: a login that a rule lets in, and that a plugin is to say no to.
// Move: waits for the administrator's typing error, for a copy of the file that is cut short, or for an editor that writes it in its own
// way: the plugin is left out then.
// Expected: plugin-required, unless the file says for sure that it is not required, or is no plugin at all.
func TestRequiredPluginFile(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	o := forge(t, op.Issuer).offer()
	const required = "plugin-required"
	head := "name: hours\ncommand: PROGRAM\n"
	encoded := func(text string, bom ...byte) string {
		for _, unit := range utf16.Encode([]rune(text)) {
			bom = append(bom, byte(unit), byte(unit>>8))
		}
		return string(bom)
	}
	for name, test := range map[string]struct{ text, want string }{
		"as made":                    {head + "mode: require\n", required},
		"a typing error":             {head + "mode: reqiure\n", required},
		"another form of the word":   {head + "mode: required\n", required},
		"another word":               {head + "mode: must\n", required},
		"deny":                       {head + "mode: deny\n", required},
		"a capital":                  {head + "mode: Require\n", required},
		"no word":                    {head + "mode:\n", required},
		"null":                       {head + "mode: ~\n", required},
		"cut in the word":            {head + "mode: requ", required},
		"cut in the word, in quotes": {head + "mode: 'requ", required},
		"cut in front of the word":   {head + "mode: ", required},
		"cut in the member":          {head + "mode", required},
		"the member a typing error":  {head + "mdoe: must\n", required},
		"another member":             {head + "required: true\n", required},
		"a member of another name":   {head + "kind: required\n", required},
		"a word for the member":      {head + "modus: must\n", required},
		"capitals for the member":    {head + "MODE: must\n", required},
		"in another member":          {head + "plugin: {kind: require}\n", required},
		"no blank":                   {"{name: hours, command: PROGRAM, mode:must}\n", required},
		"in the command":             {"name: hours\ncommand: |\n  PROGRAM\n  mode: must\n", required},
		"null, as a template":        {"null\n", required},
		"mode allow, and the word":   {head + "mode: allow\nrequired: true\n", required},
		"twice":                      {head + "mode: require\nmode: allow\n", required},
		"in a list":                  {"- name: hours\n  mode: must\n", required},
		"a second document":          {head + "---\nmode: must\n", required},
		"a tab":                      {"name: hours\n\tmode: must\n", required},
		"an alias":                   {"name: &x must\ncommand: PROGRAM\nmode: *x\n", required},
		"a merge":                    {"x: &x {mode: must}\n<<: *x\n" + head, required},
		"UTF-16":                     {encoded(head+"mode: must\nx: y\n", 0xff, 0xfe), required},
		"UTF-16 without a mark":      {encoded(head + "mode: must\n"), required},
		"Latin-1":                    {"name: B\xfcro\ncommand: PROGRAM\nmode: must\n", required},
		"zeros":                      {strings.Repeat("\x00", 512), required},

		"nothing":                         {"", allowed},
		"a comment":                       {"# " + strings.ReplaceAll(head, "\n", "\n# ") + "mode: require\n", allowed},
		"another's member":                {head + "description: x\nenforce_providers: true\n", allowed},
		"mode allow, with an error":       {head + "mode: allow\nmandatory: true\n", allowed},
		"no mode, with an error":          {"name: hours\ncommand: relative\n", allowed},
		"the word in the name of another": {"name: what others require\ncommand: relative\n", allowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n")
			h.plugin(t, "hours", "require", "exit 1")
			h.write(t, "policy.d/hours.yml", strings.ReplaceAll(test.text, "PROGRAM", h.config+"/programs/hours"))
			a := h.attack(t, o, test.want)
			if d := a.log["login"][0]; test.want != allowed && d["rule_file"] != filepath.Join(h.config, "policy.d/hours.yml") {
				t.Errorf("expected that the record names the file, got %v", d)
			}
			out, _ := exec.Command(endtoend.Verifier(t), "audit", "--offline", "--user", "root", "--sshd", "/bin/false", "--config-dir", h.config,
				"--cache-dir", h.cache).CombinedOutput()
			said := strings.Contains(string(out), "nobody can log in, since it may be a plugin")
			if want := test.want != allowed && name != "as made"; said != want {
				t.Errorf("audit: expected that it says so: %v, got\n%s", want, out)
			}
		})
	}
}

// TestNamesThatNobodyReads.
//
// Power: a login that a deny list or a plugin is to keep out.
// Move: none: the administrator has given the file a name that no login reads.
// Expected: the login gets in, as if the file were not there; audit and check name the file, and no copy that an editor or a package left.
func TestNamesThatNobodyReads(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	h.plugin(t, "hours", "require", "exit 1")
	hours := filepath.Join(h.config, "policy.d/hours.yml")
	plugin, err := os.ReadFile(hours)
	check(t, err)
	check(t, os.Remove(hours))
	rule := "root mallory@example.com " + op.URL + "\n"
	odd := map[string]string{
		"config.yaml": "deny_emails: [alice@example.com]\n", "Config.yml": "", "auth-id": rule, "auth_ids": rule, "auth_id.conf": rule, "provider": "",
		"policy.d/hours.yaml": string(plugin), "policy.d/hours.YML": string(plugin), "policy.d/hours.conf": string(plugin), "policy.d/hours": string(plugin),
		"policy.d/10.hours.yaml": string(plugin), "auth_id.d/team": rule, "auth_id.d/team.yml": rule, "auth_id.d/team.CONF": rule,
		"providers.d/more": op.URL + " x 24h\n", "provider.d/more.conf": "",
	}
	usual := map[string]string{
		"config.yml~": "", "config.yml.bak": "", ".config.yml.swp": "", "auth_id.dpkg-old": rule, "auth_id.rpmsave": rule, "notes": "", "policy.d/README": "A text: this.\n",
		"policy.d/hours.yml.disabled": string(plugin), "policy.d/hours.yml~": string(plugin), "auth_id.d/README": "These files say who may log in.\n",
		"auth_id.d/team.conf.orig": rule, "auth_id.d/.team.conf": rule, "auth_id.d/#team.conf#": rule,
	}
	for _, files := range []map[string]string{odd, usual} {
		for name, text := range files {
			h.write(t, name, text)
		}
	}
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
	for _, command := range [][]string{
		{"audit", "--offline", "--user", "root", "--sshd", "/bin/false", "--cache-dir", h.cache}, {"check"},
	} {
		out, err := exec.Command(endtoend.Verifier(t), append(command, "--config-dir", h.config)...).CombinedOutput()
		if err == nil {
			t.Errorf("%s: expected the exit status 1", command[0])
		}
		named := func(name string) bool {
			path := filepath.Join(h.config, name)
			if folder, _, in := strings.Cut(name, "/"); in && folder == "provider.d" {
				path = filepath.Join(h.config, folder) // the folder is what has the wrong name
			}
			return strings.Contains(string(out), path+": ") && strings.Contains(string(out), "no login reads it")
		}
		for name := range odd {
			if !named(name) {
				t.Errorf("%s: expected %s, got\n%s", command[0], name, out)
			}
		}
		for name := range usual {
			if named(name) {
				t.Errorf("%s: expected nothing about %s, got\n%s", command[0], name, out)
			}
		}
	}
}
