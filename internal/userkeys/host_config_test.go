package userkeys_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"opkssh/internal/userkeys"
)

func TestHostConfigIsInstalledAndRemoved(t *testing.T) {
	const include = "Include ~/.ssh/opkssh/hosts\n"
	text := userkeys.HostConfig("opkssh", []userkeys.HostBlock{{Patterns: []string{"*.example.com"}, Alias: "work"}})
	for name, own := range map[string]string{
		"no file":            "",
		"an empty line":      "\n",
		"a comment":          "# mine\nHost a # not b\n  User x\n",
		"no line end":        "Host a\n  User x",
		"Windows line ends":  "# mine\r\nHost a\r\n",
		"an Include below":   "Host a\nInclude ~/.ssh/opkssh/hosts.old\n",
		"an Include of ours": "Include ~/.ssh/opkssh/config\n",
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), ".ssh")
			config := filepath.Join(folder, "config")
			if own != "" {
				if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(config, []byte(own), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			if changed, err := userkeys.InstallHostConfig(folder, text); err != nil || len(changed) < 2 {
				t.Fatalf("changed %q, %v", changed, err)
			}
			line := include
			if name == "Windows line ends" {
				line = "Include ~/.ssh/opkssh/hosts\r\n"
			}
			wantFile(t, config, line+own)
			if changed, err := userkeys.InstallHostConfig(folder, text); err != nil || len(changed) != 0 {
				t.Errorf("a second time: changed %q, %v", changed, err)
			}
			if changed, err := userkeys.UninstallHostConfig(folder); err != nil || len(changed) != 2 {
				t.Errorf("removing: changed %q, %v", changed, err)
			}
			wantFile(t, config, own)
			if _, err := os.Stat(filepath.Join(folder, "opkssh")); !os.IsNotExist(err) {
				t.Errorf("the folder stays: %v", err)
			}
			if changed, err := userkeys.UninstallHostConfig(folder); err != nil || len(changed) != 0 {
				t.Errorf("removing a second time: changed %q, %v", changed, err)
			}
		})
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s: expected %q, got %q, %v", name, want, got, err)
	}
}
