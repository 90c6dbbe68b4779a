package policy_test

import (
	"testing"

	"opkssh/pkg/policy"
)

func TestCheckEmailAddress(t *testing.T) {
	for _, address := range []string{
		"alice@example.com", "Alice.B+ssh@sub.example.com", "o'brien@example.com", "jürgen@bücher.example", "root@localhost", "a!#$%&/=^_`{|}~@x-y.example",
	} {
		if err := policy.CheckEmailAddress(address); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{
		"", "alice", "@", "alice@", "@example.com", "*@example.com", "alice@*.example.com", "<alice@example.com>", "Alice <alice@example.com>", "alice@example.com;bob@example.com",
		"alice@example.com,", "alice@example.com.", "alice@.example.com", "alice@example..com", "'alice@example.com'", "'alice@example.com", "alice@example.com'",
		`"alice@example.com"`, `"alice b"@example.com`, "alice@@example.com", "alice@example.com\u200b", "ali\u200bce@example.com", "\u202ealice@example.com",
		"alice@example.com\u00a0", " alice@example.com", "alice@exam ple.com", "mailto:alice@example.com", `j\u00fcrgen@example.com`, "alice@[192.0.2.1]", "alice@\xff",
	} {
		if policy.CheckEmailAddress(text) == nil {
			t.Errorf("%q: expected an error", text)
		}
	}
}
