package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/policy"
	"opkssh/policies"
)

// nixModule evaluates policies/nixos/module.nix with as much of nixpkgs as it uses. Options have no defaults here.
const nixModule = `
let
  lib = {
    mkEnableOption = description: { };
    mkOption = option: option;
    mkIf = condition: value: if condition then value else { };
    types = { str = null; bool = null; attrs = null; package = null; listOf = type: null; submodule = module: null; };
    concatStringsSep = builtins.concatStringsSep;
    concatStrings = builtins.concatStringsSep "";
    optional = condition: value: if condition then [ value ] else [ ];
    # As in nixpkgs.
    escapeShellArg = word: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] word}'";
  };
  pkgs.runCommand = name: env: script: env.text;
  config.services.opkssh = {
    enable = true;
    package = "/nix/store/opkssh";
    providers = [
      { issuer = "https://sso.example.com"; clientId = "it's ours"; expiration = "12h"; options = [ "require=email_verified:true" ]; }
      { issuer = "https://accounts.google.com"; clientId = "2065"; expiration = "24h"; options = [ ]; }
    ];
    rules = [
      { user = "root"; identity = "alice@example.com"; issuer = "https://sso.example.com"; limits = ""; }
      { user = "web"; identity = "oidc:groups:dev ops"; issuer = "https://sso.example.com"; limits = "from=\"10.0.0.0/8\",no-pty"; }
    ];
    settings.deny_emails = [ "mallory@example.com" ];
    homeRules = false;
  };
in
(import (builtins.getEnv "MODULE") { inherit config lib pkgs; }).config
`

// TestNixOSModule: the module's files hold what its options say. It is not built into a system here.
func TestNixOSModule(t *testing.T) {
	module, err := filepath.Abs("../policies/nixos/module.nix")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nix-instantiate", "--store", "dummy://", "--eval", "--strict", "--json", "--expr", nixModule)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "MODULE=" + module, "NIX_STATE_DIR=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		var complaint []byte
		if exit, ok := err.(*exec.ExitError); ok {
			complaint = exit.Stderr
		}
		t.Fatalf("%v (run integration/setup.sh first)\n%s", err, complaint)
	}
	var system struct {
		Environment struct {
			Etc map[string]struct{ Source, Group, Mode string }
		}
		Services struct {
			OpenSSH struct{ AuthorizedKeysCommand, AuthorizedKeysCommandUser string }
		}
		Systemd struct {
			Services map[string]struct{ ServiceConfig map[string]any }
		}
	}
	if err := json.Unmarshal(out, &system); err != nil {
		t.Fatal(err)
	}
	etc := system.Environment.Etc
	rows, problems := policy.ParseProviders("providers", []byte(etc["opk/providers"].Source))
	if len(rows) != 2 || len(problems) != 0 || rows[0].ClientID != "it's ours" || len(rows[0].Require) != 1 {
		t.Errorf("providers: %q gives %+v, %v", etc["opk/providers"].Source, rows, problems)
	}
	rules, ruleProblems := policy.ParseRules("auth_id", []byte(etc["opk/auth_id"].Source))
	if len(rules) != 2 || len(ruleProblems) != 0 || len(rules[1].Options) != 2 || rules[1].Identity.String() != "oidc:groups:dev ops" {
		t.Errorf("auth_id: %q gives %+v, %v", etc["opk/auth_id"].Source, rules, ruleProblems)
	}
	config, err := policy.ParseConfig("config.yml", []byte(etc["opk/config.yml"].Source))
	if err != nil || len(config.DenyEmails) != 1 || config.HomePolicy {
		t.Errorf("config.yml: %q gives %+v, %v", etc["opk/config.yml"].Source, config, err)
	}
	for _, name := range []string{"opk/providers", "opk/auth_id", "opk/config.yml"} {
		if etc[name].Mode != "0640" || etc[name].Group != "opksshuser" {
			t.Errorf("%s: got %+v", name, etc[name])
		}
	}
	if got := system.Services.OpenSSH; got.AuthorizedKeysCommand != "/etc/ssh/opkssh-verifier verify %u %k %t" || got.AuthorizedKeysCommandUser != "opksshuser" {
		t.Errorf("sshd: got %+v", got)
	}
	service := system.Systemd.Services["opkssh-keys"].ServiceConfig
	if got := service["ExecStart"]; got != "/etc/ssh/opkssh-verifier keys refresh --all" {
		t.Errorf("timer: got %v", got)
	}
	for line := range strings.Lines(policies.HostFile("opkssh-keys.service")) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), "=")
		if set, in := service[name]; !ok || name == "ExecStart" || !in && slices.Contains([]string{"Description", "After", "Wants"}, name) {
			continue
		} else if got := settingWords(set); !strings.Contains(" "+got+" ", " "+want+" ") {
			t.Errorf("timer: expected %s=%s, as in opkssh-keys.service, got %q", name, want, got)
		}
	}
}

// settingWords is how NixOS writes a setting into a unit; the values of a list, which are lines there, in one line.
func settingWords(value any) string {
	switch v := value.(type) {
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case []any:
		words := make([]string, len(v))
		for i, word := range v {
			words[i] = settingWords(word)
		}
		return strings.Join(words, " ")
	}
	return fmt.Sprint(value)
}
