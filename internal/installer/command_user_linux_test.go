package installer

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCommandUser: the user is whom sshd takes for it, which takes quotes and a comment away.
func TestCommandUser(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "sshd_config")
	for value, want := range map[string]string{
		"opk": "opk", "opk # shared": "opk", "'opk'": "opk", `"opk" # x`: "opk", `op"k"`: "opk", "none": "", `"none"`: "", "": "",
	} {
		text := "AuthorizedPrincipalsCommandUser other\nMatch User alice\n  AuthorizedKeysCommandUser other\n"
		if err := os.WriteFile(config, []byte("AuthorizedKeysCommandUser "+value+"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := CommandUser(config); got != want {
			t.Errorf("%s: expected %q, got %q", value, want, got)
		}
	}
}
