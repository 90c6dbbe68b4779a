package installer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/installer"
)

// withoutTimes is a system's tree without the times of its files, and without what names describes.
func withoutTimes(t *testing.T, r *installer.Root, names ...string) map[string]string {
	t.Helper()
	tree := r.Tree(t)
	for name, entry := range tree {
		tree[name], _, _ = strings.Cut(entry, ", changed ")
		for _, leave := range names {
			if strings.HasPrefix(name, leave) {
				delete(tree, name)
			}
		}
	}
	return tree
}

// TestShellRecipe: the recipe makes what verifier install makes, to the byte, and changes nothing the second time.
func TestShellRecipe(t *testing.T) {
	t.Parallel()
	recipe, install := system(t), system(t)
	for _, folder := range []string{"shell", "host"} {
		files, err := os.ReadDir("../../policies/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(filepath.Join("../../policies", folder, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*installer.Root{recipe, install} {
				r.Write(t, filepath.Join("root/policies", folder, file.Name()), string(data), 0o755)
			}
		}
	}
	want(t, recipe.Run(t, "/root/policies/shell/install.sh", "/root/verifier"), 0, "kill -HUP")
	first := recipe.Tree(t)
	want(t, recipe.Run(t, "/root/policies/shell/install.sh", "/root/verifier"), 0)
	recipe.WantTree(t, first)

	want(t, install.Run(t, "/root/verifier", "install"), 0)
	// useradd writes another comment, and keeps copies of what it has changed. The recipe keeps no list.
	others := []string{"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/subuid", "etc/subgid", "var/lib/opkssh"}
	got, expected := withoutTimes(t, recipe, others...), withoutTimes(t, install, others...)
	for name, entry := range expected {
		if got[name] != entry {
			t.Errorf("%s: expected %s, got %s", name, entry, got[name])
		}
	}
	for name, entry := range got {
		if _, ok := expected[name]; !ok {
			t.Errorf("%s: not of verifier install: %s", name, entry)
		}
	}
	want(t, recipe.Run(t, "verifier", "permissions", "check"), 0)

	// Nobody's users are locked out, and no sshd is left that would not start.
	recipe.Write(t, "etc/ssh/sshd_config.d/10-opkssh.conf", "AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys %u\nAuthorizedKeysCommandUser nobody\n", 0o644)
	want(t, recipe.Run(t, "/root/policies/shell/install.sh", "/root/verifier"), 1, "chain: ['/usr/bin/sss_ssh_authorizedkeys %u']")
	recipe.Write(t, "etc/ssh/sshd_config.d/10-opkssh.conf", "AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t\nAuthorizedKeysCommandUser nobody\n", 0o644)
	want(t, recipe.Run(t, "/root/policies/shell/install.sh", "/root/verifier"), 1, "sshd asks the verifier as nobody: expected opksshuser")
	recipe.Write(t, "etc/ssh/sshd_config", "UsePAM yes\n", 0o644)
	if err := os.Remove(filepath.Join(recipe.Dir, "etc/ssh/sshd_config.d/10-opkssh.conf")); err != nil {
		t.Fatal(err)
	}
	want(t, recipe.Run(t, "/root/policies/shell/install.sh", "/root/verifier"), 1, "taken back")
	want(t, recipe.Run(t, "test", "-e", "/etc/ssh/sshd_config.d/10-opkssh.conf"), 1)
}
