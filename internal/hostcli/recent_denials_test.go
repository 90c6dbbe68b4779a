//go:build linux

package hostcli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

// TestJournalKnowsTheWriter: what other users have written there under our tag is not asked for.
func TestJournalKnowsTheWriter(t *testing.T) {
	dir := t.TempDir()
	program, asked := filepath.Join(dir, "journalctl"), filepath.Join(dir, "asked")
	const record = `{"msg":"login","id":"06ae0e4628fdf711","decision":"deny","reason":"no-rule","user":"alice"}`
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$*\" >"+asked+"\necho '"+record+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	defer func(programs []string) { journalctl = programs }(journalctl)
	journalctl = []string{program}
	for _, test := range []struct {
		writers []uint32
		want    string
	}{{[]uint32{998, 0}, " _UID=998 _UID=0"}, {nil, " --lines=" + maxJournalLines}} {
		found, _, err := recentDecisions(t.Context(), "", "alice", test.writers, policy.DefaultConfig())
		if err != nil || len(found) != 1 || found[0].ID != "06ae0e4628fdf711" {
			t.Errorf("expected the record, got %v, %v", found, err)
		}
		args, err := os.ReadFile(asked)
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(args)), test.want) || !strings.Contains(string(args), "--identifier="+syslogTag) {
			t.Errorf("expected %q at the end, got %q, %v", test.want, args, err)
		}
	}
}
