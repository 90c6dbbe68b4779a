package hostfiles

import (
	"bytes"
	"reflect"
	"testing"
	"testing/iotest"

	"opkssh/integration/allocation"
	"opkssh/pkg/policy"
)

// FuzzReadRows: of a large file that is read without the lines of others, the rules for a user are those of the whole file, with
// their places, however it is read.
func FuzzReadRows(f *testing.F) {
	const row = "alice alice@example.com https://op.example.com\n"
	f.Add([]byte(row), "alice")
	f.Add([]byte("\uFEFF"+row+"bob b@example.com https://op.example.com no-pty\r\n"), "bob")
	f.Add([]byte("'al'ice x\n\n# "+row+"alice"), "alice")
	f.Add(bytes.Repeat([]byte("a"), 1000), "a")
	f.Fuzz(func(t *testing.T, part []byte, user string) {
		if len(part) == 0 {
			return
		}
		whole := bytes.Repeat(part, rowsBuffer/len(part)+2)
		keep := func(line []byte) bool { return policy.MaybeRuleFor(line, user) }
		var read []byte
		var err error
		allocation.Check(t, len(whole), func() {
			read, err = readRows(iotest.HalfReader(bytes.NewReader(whole)), int64(len(whole)), keep)
		})
		if err != nil || bytes.Count(read, []byte("\n")) != bytes.Count(whole, []byte("\n")) || len(read) > len(whole) {
			t.Fatalf("%q: %d bytes of %d, %v", part, len(read), len(whole), err)
		}
		want, wantProblems := policy.ParseRulesFor("auth_id", whole, user)
		got, problems := policy.ParseRulesFor("auth_id", read, user)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(problems, wantProblems) {
			t.Fatalf("%q for %q: expected %d rules and %v, got %d and %v", part, user, len(want), wantProblems, len(got), problems)
		}
	})
}
