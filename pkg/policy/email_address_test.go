package policy_test

import (
	"testing"

	"opkssh/pkg/policy"
)

func TestCheckEmailAddress(t *testing.T) {
	for _, address := range []string{
		"alice@example.com", "Alice.B+ssh@sub.example.com", "o'brien@example.com", "jürgen@bücher.example", "root@localhost", "a!#$%&/=^_`{|}~@x-y.example",
		"anna@col·lectiu.cat", "x@テスト・会社.jp", "x@二〇.jp", "ali@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc@example.com",
		"a*b@example.com", "a?b@example.com", "a..b.@example.com", "x@i❤.example", "user@xn--0zwm56d.com", "a@ex_ample.com", "o’brien@example.com", "a@\u0aa4\u0acd\u200d\u0ab0.example",
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
		"“alice@example.com”", "alice@example.com”", "«alice@example.com", "alice@example.com，bob@example.com", "a，b@example.com", "alice@例え；", "al\u200cice@example.com",
		"（alice@example.com）", "＜alice@example.com＞", "【alice@example.com", "alice@example.com）", "alice@example.com。", "alice@example.com、", "alice@example.com…", "alice@example．com",
		"ali@\u0646\u0627\u200c.com", "\u200cali@example.com", "ali@\u0646\u00ad\u0627.com", "alice@example.com\n", "alice@example.com?subject=x", "ali\x00ce@example.com",
	} {
		if policy.CheckEmailAddress(text) == nil {
			t.Errorf("%q: expected an error", text)
		}
	}
}
