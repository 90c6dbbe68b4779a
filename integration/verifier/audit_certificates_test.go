package verifier_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAuditOfClosedCertificates: what root can read, the user that sshd runs the verifier as may not.
func TestAuditOfClosedCertificates(t *testing.T) {
	folder := t.TempDir()
	check(t, os.Chmod(filepath.Dir(folder), 0o755))
	check(t, os.Chmod(folder, 0o755))
	certificate := filepath.Join(folder, "ca.pem")
	check(t, os.WriteFile(certificate, []byte("-----BEGIN CERTIFICATE-----\n"), 0o644))
	for _, test := range []struct {
		variable, value string
		folder, file    os.FileMode
		text            string // beside the certificate's beginning
		want            string // "" for nothing about the files
	}{
		{"SSL_CERT_DIR", folder, 0o755, 0o644, "", ""},
		{"SSL_CERT_DIR", folder + ":", 0o755, 0o644, "", ""},
		{"SSL_CERT_DIR", folder, 0o755, 0o600, "", `/ca\.pem: warning: certificates of SSL_CERT_DIR: .*: the user nobody, .*: mode: expected readable for the user nobody, got 0600 `},
		{"SSL_CERT_DIR", folder, 0o700, 0o644, "", `/001: error: certificates of env_vars: no provider is asked.*: the user nobody, .* got 0700 `},
		{"SSL_CERT_FILE", certificate, 0o755, 0o600, "", `/ca\.pem: error: certificates of env_vars: no provider is asked.*: the user nobody, .* got 0600 `},
		{"SSL_CERT_FILE", certificate, 0o700, 0o644, "", `/ca\.pem: error: certificates of env_vars: no provider is asked.*: the user nobody, .* got 0700 `},
		{"SSL_CERT_DIR", folder, 0o755, 0o600, "-----BEGIN PRIVATE KEY-----\n", ""}, // as it should be
	} {
		t.Run(fmt.Sprintf("%s %o %o", test.variable, test.folder, test.file), func(t *testing.T) {
			h := newHost(t)
			h.write(t, "config.yml", fmt.Sprintf("env_vars: {%s: %q}\n", test.variable, test.value))
			check(t, os.WriteFile(certificate, []byte("-----BEGIN CERTIFICATE-----\n"+test.text), 0o644))
			check(t, os.Chmod(folder, test.folder))
			check(t, os.Chmod(certificate, test.file))
			a := run(t, "audit", "--offline", "--user", "nobody", "--sshd", "/nonexistent", "--config-dir", h.config, "--cache-dir", h.cache)
			var said []string
			for line := range strings.Lines(a.stdout) {
				if strings.Contains(line, "the user nobody") && strings.HasPrefix(line, folder) {
					said = append(said, line)
				}
			}
			switch {
			case test.want == "" && len(said) > 0, test.want != "" && (len(said) != 1 || !regexp.MustCompile(test.want).MatchString(said[0])):
				t.Errorf("expected one line like %q, got %q of\n%s", test.want, said, a.stdout)
			}
		})
	}
}
