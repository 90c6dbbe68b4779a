package endtoend_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// TestFilesThatTheVerifierMayNotRead: the commonest mistake on a new host. The log says what to type, and that mends it.
func TestFilesThatTheVerifierMayNotRead(t *testing.T) {
	for _, test := range []struct{ name, path, reason, hint string }{
		{"file", "auth_id", "rule-untrusted", "chgrp opksshuser '/etc/opk/auth_id' && chmod g+r '/etc/opk/auth_id'"},
		{"folder", "", "configuration", "chgrp opksshuser '/etc/opk' && chmod g+rx '/etc/opk'"},
		{"drop-in", "auth_id.d/10-team.conf", "", "chgrp opksshuser '/etc/opk/auth_id.d/10-team.conf' && chmod g+r '/etc/opk/auth_id.d/10-team.conf'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			op := issuer.Start(t)
			h := endtoend.StartIssuerHost(t, op)
			h.Config(t, "home_policy: false\n")
			h.Write(t, "auth_id", "alice alice@example.com "+op.URL+"\n")
			h.Write(t, "auth_id.d/10-team.conf", "")
			id := op.Login(t, map[string]any{"email": "alice@example.com"})
			ssh := h.Client(t, id.Key, id.Key+"-cert.pub")
			path := filepath.Join(h.ConfigDir, test.path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, info.Mode().Perm()&0o700); err != nil {
				t.Fatal(err)
			}
			r := ssh.SSH(t, "alice", "id -un")
			if test.reason == "" {
				wantOutput(t, h, r, "alice\n")
			} else if r.ExitCode != 255 {
				t.Fatalf("expected a refusal, got %+v", r)
			}
			// A log that config.yml names is not found where config.yml cannot be read.
			log, err := os.ReadFile(filepath.Join(h.LogDir, "opkssh.log"))
			if err != nil {
				t.Fatal(err)
			}
			if test.path != "" && !strings.Contains(string(log), test.hint) {
				t.Errorf("the log does not say %s:\n%s", test.hint, log)
			}
			if mended := h.Exec(t, "root", "sh", "-c", test.hint); mended.ExitCode != 0 {
				t.Fatalf("%+v", mended)
			}
			wantOutput(t, h, ssh.SSH(t, "alice", "id -un"), "alice\n")
		})
	}
}
