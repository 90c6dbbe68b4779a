package hostfiles

import (
	"bytes"
	"testing"

	"opkssh/integration/allocation"
	"opkssh/pkg/policy"
)

// A user's own rules, and what a directory service says of an account, take memory and work in proportion.
func TestAllocation(t *testing.T) {
	repeat := allocation.Repeat
	const row = "alice alice@example.com https://op.example.com"
	inputs := map[string]allocation.Input{
		"lines":         {Part: repeat("\n")},
		"accounts":      {Part: repeat("bob:x:1001:1001::/home/bob:/bin/sh\n")},
		"colons":        {Before: "alice", Part: repeat(":")},
		"a long name":   {Part: repeat("a"), After: ":x:1001:1001::/home/bob:/bin/sh\n"},
		"a deep home":   {Before: "alice:x:1001:1001::", Part: repeat("/a/.."), After: ":/bin/sh\n"},
		"a large ID":    {Before: "alice:x:", Part: repeat("9"), After: ":1001::/home/alice:/bin/sh\n"},
		"rules":         {Part: repeat(row + "\n")},
		"words":         {Part: repeat("alice ")},
		"quotes":        {Part: repeat(`''`)},
		"one long line": {Part: repeat("a")},
	}
	for name, read := range map[string]func(data []byte){
		"account": func(data []byte) { _, _ = findAccount(bytes.NewReader(data), "alice") },
		"rows": func(data []byte) {
			// Behind a comment as long as the buffer: a smaller file is read at once.
			whole := append(append(bytes.Repeat([]byte("#"), rowsBuffer), '\n'), data...)
			keep := func(line []byte) bool { return policy.MaybeRuleFor(line, "alice") }
			if _, err := readRows(bytes.NewReader(whole), int64(len(whole)), keep); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, read) })
	}
}
