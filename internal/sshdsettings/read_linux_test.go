package sshdsettings_test

import (
	"strings"
	"testing"

	"opkssh/internal/sshdsettings"
)

// A program that prints no settings is not taken for an sshd without a command.
func TestNoSettings(t *testing.T) {
	for program, want := range map[string]string{
		"/bin/true":         "expected its settings, got none of AuthorizedKeysCommand",
		"/bin/false":        "/bin/false -T: exit status 1",
		"/nonexistent/sshd": "no such file or directory",
	} {
		if _, err := sshdsettings.Read(t.Context(), sshdsettings.Query{Program: program}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: expected %q, got %v", program, want, err)
		}
	}
}
