package policy_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/pkg/policy"
)

var (
	mallory = policy.Lock{Kind: policy.LockEmail, Name: "mallory@example.com"}
	root    = policy.Lock{Kind: policy.LockUser, Name: "root"}
	subject = policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Subject: "1234", Issuer: op}}
	claim   = policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Claim: "https://acme.com/groups", Value: "x:y"}}
	key     = policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Key: fingerprint}}
	revoked = policy.Lock{Kind: policy.LockUntilNewLogin, Name: "mallory@example.com", Before: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
)

func TestAddLock(t *testing.T) {
	for _, test := range []struct {
		name         string
		lock         policy.Lock
		before, want string
		back         bool // RemoveLock gives before again
	}{
		{"empty file", mallory, "", "deny_emails:\n  - mallory@example.com\n", false},
		{"comments alone", root, "# ours\n", "# ours\ndeny_users:\n  - root\n", false},
		{"byte order mark alone", root, "\uFEFF", "\uFEFFdeny_users:\n  - root\n", false},
		{"start of a document", root, "---\n", "---\ndeny_users:\n  - root\n", false},
		{"missing member", subject, "log: {to: auto} # x\n\n# end\n",
			"log: {to: auto} # x\n\n# end\ndeny:\n  - {sub: \"1234\", issuer: \"" + op + "\"}\n", false},
		{"missing member of an indented file", revoked, "  log: {to: auto}\n",
			"  log: {to: auto}\n  revoked_before:\n    mallory@example.com: 2026-11-20T09:00:00Z\n", false},
		{"missing member, no final newline", mallory, "home_policy: false", "home_policy: false\ndeny_emails:\n  - mallory@example.com\n", false},
		{"missing member, CRLF", mallory, "home_policy: false\r\n", "home_policy: false\r\ndeny_emails:\r\n  - mallory@example.com\r\n", false},
		{"missing member, an empty line first", mallory, "\nlog: {}\n", "\nlog: {}\ndeny_emails:\n  - mallory@example.com\n", false},
		{"missing member, CRLF further down", mallory, "log: {}\n# x\r\n", "log: {}\n# x\r\ndeny_emails:\n  - mallory@example.com\n", false},
		{"missing member, the end of the document", mallory, "log: {}\n...\n", "log: {}\ndeny_emails:\n  - mallory@example.com\n...\n", false},
		{"missing member, comments around the end of the document", revoked, "  log: {}\r\n# x\r\n... # y\r\n\r\n# z",
			"  log: {}\r\n# x\r\n  revoked_before:\r\n    mallory@example.com: 2026-11-20T09:00:00Z\r\n... # y\r\n\r\n# z", false},
		{"missing member, two ends of the document", mallory, "log: {}\n...\n...", "log: {}\ndeny_emails:\n  - mallory@example.com\n...\n...", false},
		{"end of a document without a member", mallory, "---\n...\n", "---\ndeny_emails:\n  - mallory@example.com\n...\n", false},
		{"missing member of a file in brackets", mallory, "{log: {to: auto}}", "{log: {to: auto}, deny_emails: [mallory@example.com]}", false},
		{"empty brackets", revoked, "{}\n", "{revoked_before: {mallory@example.com: 2026-11-20T09:00:00Z}}\n", false},

		{"member without a value", mallory, "deny_emails: # nobody\nlog: {}\n", "deny_emails: [mallory@example.com] # nobody\nlog: {}\n", false},
		{"member without a value at the end", mallory, "deny_emails:", "deny_emails: [mallory@example.com]", false},
		{"null", revoked, "revoked_before: ~ # x\n", "revoked_before: {mallory@example.com: 2026-11-20T09:00:00Z} # x\n", false},
		{"null, quoted key", mallory, "'deny_emails' : null\n", "'deny_emails' : [mallory@example.com]\n", false},

		{"brackets", mallory, "deny_emails: [a@b.c, 'd@e.f' ] # x\n", "deny_emails: [a@b.c, 'd@e.f', mallory@example.com ] # x\n", true},
		{"brackets, comma at the end", mallory, "deny_emails: [a@b.c,]\n", "deny_emails: [a@b.c, mallory@example.com,]\n", true},
		{"brackets, nothing inside", mallory, "deny_emails: [] # x\n", "deny_emails: [mallory@example.com] # x\n", true},
		{"brackets, a blank inside", mallory, "deny_emails: [ ]", "deny_emails: [mallory@example.com ]", true},
		{"brackets inside a value", root, "deny_users: [\"a\\\"]\", 'b'']#', x]\n", "", false},
		{"brackets over lines", mallory, "deny_emails: [\n    a@b.c, # ]\n    d@e.f # last\n]\n",
			"deny_emails: [\n    a@b.c, # ]\n    d@e.f, # last\n    mallory@example.com\n]\n", true},
		{"brackets over lines, comma at the end", mallory, "deny_emails: [\r\n  a@b.c,\r\n]\r\n",
			"deny_emails: [\r\n  a@b.c,\r\n  mallory@example.com,\r\n]\r\n", true},
		{"brackets over lines, comma on one of its own", mallory, "deny_emails: [\n  a@b.c # x\n  , # y\n]\n",
			"deny_emails: [\n  a@b.c # x\n  , mallory@example.com, # y\n]\n", true},
		{"brackets over lines, comma at the end of one of its own", mallory, "deny_emails: [\n  a@b.c\n  ,\n]\n",
			"deny_emails: [\n  a@b.c\n  ,mallory@example.com,\n]\n", true},
		{"entries in brackets", claim, `deny: [{sub: "1", issuer: "` + op + `"}, {key: ` + fingerprint + "}]\n",
			`deny: [{sub: "1", issuer: "` + op + `"}, {key: ` + fingerprint + `}, {claim: "\"https://acme.com/groups\":x:y"}]` + "\n", true},
		{"claim without a colon", policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Claim: "groups", Value: "x:y"}}, "deny: []\n", `deny: [{claim: "groups:x:y"}]` + "\n", true},
		{"claim that begins with a quote", policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Claim: `"x`, Value: "y"}}, "deny: []\n", `deny: [{claim: "\"\"x\":y"}]` + "\n", true},
		{"times in braces", revoked, "revoked_before: {a@b.c: 2026-11-20T09:00:00Z}\n",
			"revoked_before: {a@b.c: 2026-11-20T09:00:00Z, mallory@example.com: 2026-11-20T09:00:00Z}\n", true},

		{"block", mallory, "deny_emails:\n  - a@b.c # x\n  # - old@b.c\nlog: {}\n",
			"deny_emails:\n  - a@b.c # x\n  - mallory@example.com\n  # - old@b.c\nlog: {}\n", true},
		{"block, not indented", mallory, "deny_emails:\n- a@b.c\nlog: {}\n", "deny_emails:\n- a@b.c\n- mallory@example.com\nlog: {}\n", true},
		{"block, deeply indented", mallory, "deny_emails:\n\n        -   \"a@b.c\"\n\n# end\n",
			"deny_emails:\n\n        -   \"a@b.c\"\n        - mallory@example.com\n\n# end\n", true},
		{"block, no final newline", mallory, "deny_emails:\n  - a@b.c", "deny_emails:\n  - a@b.c\n  - mallory@example.com", true},
		{"block, CRLF and byte order mark", mallory, "\uFEFFdeny_emails:\r\n  - a@b.c\r\n  - d@e.f",
			"\uFEFFdeny_emails:\r\n  - a@b.c\r\n  - d@e.f\r\n  - mallory@example.com", true},
		{"block of blocks", key, "deny:\n  - sub: \"1\" # who\n    issuer: " + op + "  # where\nlog: {}\n",
			"deny:\n  - sub: \"1\" # who\n    issuer: " + op + "  # where\n  - {key: \"" + fingerprint + "\"}\nlog: {}\n", true},
		{"block of times", revoked, "revoked_before:\n    \"1234\": 2026-11-20T09:00:00Z # x\n",
			"revoked_before:\n    \"1234\": 2026-11-20T09:00:00Z # x\n    mallory@example.com: 2026-11-20T09:00:00Z\n", true},
		{"a later time", revoked, "revoked_before:\n  \" Mallory@example.com\": '2026-11-20T08:00:00Z' # x\n",
			"revoked_before:\n  \" Mallory@example.com\": 2026-11-20T09:00:00Z # x\n", false},
		{"a later time, not of the first", revoked, "revoked_before:\n  a@b.c: 2026-11-19T09:00:00Z\n  mallory@example.com: 2026-11-19T09:00:00Z\n",
			"revoked_before:\n  a@b.c: 2026-11-19T09:00:00Z\n  mallory@example.com: 2026-11-20T09:00:00Z\n", false},
		{"a subject in another case", policy.Lock{Kind: policy.LockUntilNewLogin, Name: "abc", Before: revoked.Before}, "revoked_before: {ABC: 2026-11-20T09:00:00Z}\n",
			"revoked_before: {ABC: 2026-11-20T09:00:00Z, abc: 2026-11-20T09:00:00Z}\n", true},
		{"a user in another case", root, "deny_users: [Root]\n", "deny_users: [Root]\n", false},
		{"list of a file in brackets", mallory, "{deny_emails: [a@b.c], log: {to: auto}}\n", "{deny_emails: [a@b.c, mallory@example.com], log: {to: auto}}\n", true},
		{"a name that HTML knows", policy.Lock{Kind: policy.LockEmail, Name: "<a&b>@b.c"}, "deny_emails: []\n", "deny_emails: [\"<a&b>@b.c\"]\n", true},
		{"characters of several bytes", root, "env_vars: {A: \"äöü\"}\ndeny_users: [\"ä\",   ö]  # ü\n",
			"env_vars: {A: \"äöü\"}\ndeny_users: [\"ä\",   ö, root]  # ü\n", true},
		{"a name that needs quotes", policy.Lock{Kind: policy.LockUser, Name: `DOMAIN\bob`}, "deny_users: [a]", `deny_users: [a, "DOMAIN\\bob"]`, true},
		{"a name that YAML knows", policy.Lock{Kind: policy.LockUser, Name: "null"}, "deny_users: [a]", `deny_users: [a, "null"]`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := policy.AddLock("config.yml", []byte(test.before), test.lock)
			if test.want == "" {
				// The list holds what is no user name: it only has to be left alone.
				var wrong *policy.ConfigError
				if !errors.As(err, &wrong) || got != nil {
					t.Fatalf("expected a ConfigError, got %q, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Fatalf("expected\n%s\ngot\n%s\n%v", test.want, got, err)
			}
			again, err := policy.AddLock("config.yml", got, test.lock)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("a second time: expected no change, got\n%s\n%v", again, err)
			}
			removed, err := policy.RemoveLock("config.yml", got, test.lock)
			if err != nil {
				t.Fatal(err)
			}
			if test.back && string(removed) != test.before {
				t.Errorf("removed: expected\n%s\ngot\n%s", test.before, removed)
			}
			if c, err := policy.ParseConfig("config.yml", removed); err != nil || len(c.FindLock(test.lock)) != 0 {
				t.Errorf("removed: %v, %v is still there", err, test.lock)
			}
		})
	}
}

func TestRemoveLock(t *testing.T) {
	for _, test := range []struct {
		name         string
		lock         policy.Lock
		before, want string
	}{
		{"absent", mallory, "deny_emails: [a@b.c]\n", "deny_emails: [a@b.c]\n"},
		{"no file to speak of", mallory, "", ""},
		{"first of a block", mallory, "deny_emails:\n  # who\n  - mallory@example.com # why\n  - a@b.c\n", "deny_emails:\n  # who\n  - a@b.c\n"},
		{"last of a block", mallory, "deny_emails:\n  - a@b.c\n  - mallory@example.com", "deny_emails:\n  - a@b.c"},
		{"the only one of a block", mallory, "deny_emails:\n  - mallory@example.com\nlog: {}\n", "deny_emails:\nlog: {}\n"},
		{"all spellings", mallory, "deny_emails: [Mallory@example.com, a@b.c, ' MALLORY@EXAMPLE.COM', mallory@example.com]\n", "deny_emails: [a@b.c]\n"},
		{"no other spelling than of ASCII", policy.Lock{Kind: policy.LockEmail, Name: "k@b.c"}, "deny_emails: [\u212a@b.c, k@b.c]\n", "deny_emails: [\u212a@b.c]\n"},
		{"users in all cases", root, "deny_users: [Root, a, root, ROOT]\n", "deny_users: [a]\n"},
		{"first in brackets", mallory, "deny_emails: [mallory@example.com, a@b.c]\n", "deny_emails: [a@b.c]\n"},
		{"the only one in brackets", mallory, "deny_emails: [ mallory@example.com ] # x\n", "deny_emails: [  ] # x\n"},
		{"in brackets over lines", mallory, "deny_emails: [\n  a@b.c, # a\n  mallory@example.com # m\n  # end\n]\n", "deny_emails: [\n  a@b.c # a\n  # end\n]\n"},
		{"in brackets with comments between", mallory, "deny_emails: [a@b.c, # a\n  # m\n  mallory@example.com, d@e.f]\n", "deny_emails: [a@b.c, # a\n  # m\n  d@e.f]\n"},
		{"a comma on the next line", mallory, "deny_emails: [mallory@example.com # m\n  , d@e.f]\n", "deny_emails: [ # m\n  d@e.f]\n"},
		{"subject, however it is written", subject, "deny:\n  - issuer: '" + op + "'\n    sub: 1234\n  - {key: " + fingerprint + "}\n", "deny:\n  - {key: " + fingerprint + "}\n"},
		{"subject of another issuer", subject, "deny: [{sub: 1234, issuer: \"" + op + "/other\"}]\n", "deny: [{sub: 1234, issuer: \"" + op + "/other\"}]\n"},
		{"time", revoked, "revoked_before: {MALLORY@example.com: 2020-11-20T09:00:00Z, '1': 2026-11-20T09:00:00Z}\n", "revoked_before: {'1': 2026-11-20T09:00:00Z}\n"},
		{"times in a block", revoked, "revoked_before:\n  mallory@example.com:\n    2020-11-20T09:00:00Z\n  '1': 2026-11-20T09:00:00Z\n", "revoked_before:\n  '1': 2026-11-20T09:00:00Z\n"},
		{"a comma in a comment behind it", root, "deny_users: [\n  a,\n  root\n  # b, c\n]\n", "deny_users: [\n  a\n  # b, c\n]\n"},
		{"an entry over several lines", key, "deny:\n  - {\n    key: \"" + fingerprint + "\" # }\n  }\n  - {claim: 'a:b'}\n", "deny:\n  - {claim: 'a:b'}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := policy.RemoveLock("config.yml", []byte(test.before), test.lock)
			if err != nil || string(got) != test.want {
				t.Fatalf("expected\n%s\ngot\n%s\n%v", test.want, got, err)
			}
		})
	}
}

// TestUneditableConfig: what the editor does not understand stays as it is, and the error says what to write where.
func TestUneditableConfig(t *testing.T) {
	for _, test := range []struct {
		name, data string
		lock       policy.Lock
		line       int
	}{
		{"a plain value over lines", "log: {}\ndeny:\n  - claim: groups:a\n      b\n", key, 3},
		{"a literal", "deny_emails:\n  - |-\n    a@b.c\n", mallory, 2},
		{"a folded value", "log: {}\ndeny_users:\n  - >-\n    bob\n", root, 3},
		{"null alone", "null\n", mallory, 0},
		{"CR", "log: {} # \r# x\n", mallory, 0},
		{"NEL", "log: {} # \u0085# x\n", mallory, 0},
		{"LS", "log: {} # \u2028# x\n", mallory, 0},
		{"UTF-16", "\xff\xfel\x00o\x00g\x00:\x00 \x00{\x00}\x00\n\x00", mallory, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := policy.AddLock("config.yml", []byte(test.data), test.lock)
			var edit *policy.EditError
			if got != nil || !errors.As(err, &edit) {
				t.Fatalf("expected an EditError, got %q, %v", got, err)
			}
			if edit.File != "config.yml" || edit.Line != test.line || !strings.Contains(edit.ByHand, test.lock.String()) {
				t.Errorf("expected line %d and what to write, got %+v", test.line, edit)
			}
		})
	}
	if got, err := policy.RemoveLock("config.yml", []byte("deny_emails:\n  -\n    mallory@example.com\n"), mallory); err == nil {
		t.Errorf("a dash on a line of its own: expected an EditError, got %q", got)
	}
}

// TestFullConfig: a file that is as long as may be is not made longer, since it would deny everybody. The error does not say to do that by hand.
func TestFullConfig(t *testing.T) {
	const list = "deny_emails: [] # "
	data := list + strings.Repeat("x", policy.MaxConfigSize-len(list))
	got, err := policy.AddLock("config.yml", []byte(data), mallory)
	var edit *policy.EditError
	if got != nil || !errors.As(err, &edit) {
		t.Fatalf("expected an EditError, got %d bytes, %v", len(got), err)
	}
	if strings.Contains(edit.ByHand, "by hand") || !strings.Contains(edit.ByHand, "take out entries") {
		t.Errorf("got %q", edit.ByHand)
	}
}

func TestBrokenConfigIsNotEdited(t *testing.T) {
	for _, data := range []string{"deny_emails: &a [x@b.c]\n", "deny_emails: [\n", "deny_mails: []\n"} {
		_, addErr := policy.AddLock("config.yml", []byte(data), mallory)
		_, removeErr := policy.RemoveLock("config.yml", []byte(data), mallory)
		var wrong *policy.ConfigError
		if !errors.As(addErr, &wrong) || !errors.As(removeErr, &wrong) || wrong.Line == 0 {
			t.Errorf("%q: expected ConfigErrors with a line, got %v, %v", data, addErr, removeErr)
		}
	}
}

// TestLockCheck: an entry that would not mean what it says is not written.
func TestLockCheck(t *testing.T) {
	for _, lock := range []policy.Lock{
		{},
		{Kind: "chain", Name: "/bin/sh"},
		{Kind: policy.LockEmail},
		{Kind: policy.LockEmail, Name: "mallory"},
		{Kind: policy.LockEmail, Name: " mallory@example.com"},
		{Kind: policy.LockEmail, Name: "*@example.com"},
		{Kind: policy.LockEmail, Name: "a@b.c\ndeny_users: [root]"},
		{Kind: policy.LockUser, Name: "a b"},
		{Kind: policy.LockUser, Name: "\xff"},
		{Kind: policy.LockEntry},
		{Kind: policy.LockEntry, Entry: policy.DenyEntry{Subject: "1234"}},
		{Kind: policy.LockEntry, Entry: policy.DenyEntry{Subject: "1", Issuer: op, Key: fingerprint}},
		{Kind: policy.LockEntry, Entry: policy.DenyEntry{Claim: "a"}},
		{Kind: policy.LockEntry, Entry: policy.DenyEntry{Claim: "a", Value: "x\u2028"}},
		{Kind: policy.LockEntry, Entry: policy.DenyEntry{Key: "SHA256:x"}},
		{Kind: policy.LockUntilNewLogin, Name: "mallory@example.com"},
		{Kind: policy.LockUntilNewLogin, Before: revoked.Before},
		{Kind: policy.LockUntilNewLogin, Name: "mallory@example.com", Before: revoked.Before.Add(time.Nanosecond)},
	} {
		if err := lock.Check(); err == nil {
			t.Errorf("%+v: expected an error", lock)
		}
		if got, err := policy.AddLock("config.yml", nil, lock); err == nil {
			t.Errorf("%+v: expected an error, got %q", lock, got)
		}
	}
}

// TestLockIsQuoted: what would mean something else in YAML is still one name.
func TestLockIsQuoted(t *testing.T) {
	for _, name := range []string{"a@b.c]", "a@b.c#x", "#a@b.c", "&a@b.c", "!a@b.c", "-@b.c", "'a@b.c", `"@b.c`, "a:@b.c", "{a}@b.c", "ä@b.c", "a\u202eb@b.c"} {
		lock := policy.Lock{Kind: policy.LockEmail, Name: name}
		for _, data := range []string{"", "deny_emails: [x@y.z]\n", "deny_emails:\n- x@y.z\n"} {
			got, err := policy.AddLock("config.yml", []byte(data), lock)
			if err != nil {
				t.Errorf("%q to %q: %v", name, data, err)
				continue
			}
			found := parseForComparison(t, got).FindLock(lock)
			if len(found) != 1 || found[0].Name != name {
				t.Errorf("%q to %q: got %q", name, data, got)
			}
		}
	}
}

// FuzzEditConfig: an edit is refused, or the file then says what it said and the lock; nothing but the lock is added to the
// text; and taking the lock out of a list that was there before gives the file of before.
func FuzzEditConfig(f *testing.F) {
	for _, seed := range []string{
		"", "# x\n", "deny_emails: [a@b.c] # x\ndeny_users:\n- a\n\ndeny: [\n  {claim: 'a:b'}, # y\n]\nrevoked_before: {}\n",
		"{deny_emails: [a@b.c,], log: {to: auto}}", "deny_emails: ~\ndeny:\n  - sub: 1\n    issuer: " + op + "\n  # z\nrevoked_before:\n  a@b.c: 2026-11-20T09:00:00Z\r\n",
		"deny_users: [\n root # x\n , a\n]\n", "? deny_users\n: - root\n  - a\n", "deny: [? {claim: 'a:b'}]", "deny: [claim: 'a:b', key: " + fingerprint + "]\n",
		"deny_emails: [\"a@b\\\n  .c\"]\n", "\uFEFFdeny_users: [ü]\nenv_vars:\n  A: |+\n    x\n",
		"\uFEFFdeny_emails:\r\n    - 'a@b.c' # x\r\n    -   Mallory@example.com\r\nrevoked_before: {\r\n  mallory@example.com: 2020-11-20T09:00:00Z # y\r\n}",
		"deny_emails:\n- a@b.c\n-   mallory@example.com # x\n# z\ndeny_users: null\ndeny: [{key: " + fingerprint + "}, {claim: a:b}]\nchain: ['/bin/a b']",
	} {
		for kind := range 6 {
			f.Add([]byte(seed), kind, "")
		}
	}
	for kind, name := range []string{"a@b.c]", "#root", "0123", ": {a}", fingerprint, "a\u202e@b.c"} {
		f.Add([]byte("deny_emails: [x@y.z] # x\n"), kind, name)
	}
	f.Fuzz(func(t *testing.T, data []byte, kind int, name string) {
		lock := lockOf(uint(kind)%6, name)
		if lock.Check() != nil {
			return
		}
		if alone, err := policy.AddLock("config.yml", nil, lock); err != nil || len(parseForComparison(t, alone).FindLock(lock)) != 1 {
			t.Fatalf("a file of %v alone: %q, %v", lock, alone, err)
		}
		before, err := policy.ParseConfig("config.yml", data)
		if err != nil {
			return
		}
		added, err := policy.AddLock("config.yml", data, lock)
		if err == nil && len(before.FindLock(lock)) == 0 {
			checkAdded(t, data, added, lock)
		}
		removed, err := policy.RemoveLock("config.yml", data, lock)
		if err == nil {
			checkRemoved(t, data, removed, lock)
		}
	})
}

// lockOf is a lock of one of the kinds, for name unless that is empty.
func lockOf(kind uint, name string) policy.Lock {
	lock := []policy.Lock{mallory, root, subject, claim, key, revoked}[kind]
	switch {
	case name == "":
	case lock.Entry.Subject != "":
		lock.Entry.Subject = name
	case lock.Entry.Claim != "":
		lock.Entry.Value = name
	case lock.Entry.Key != "":
		lock.Entry.Key = name
	default:
		lock.Name = name
	}
	return lock
}

func checkAdded(t *testing.T, data, added []byte, lock policy.Lock) {
	t.Helper()
	before, after := parseForComparison(t, data), parseForComparison(t, added)
	if got := after.FindLock(lock); len(got) != 1 {
		t.Fatalf("%q becomes %q: expected one lock, got %v", data, added, got)
	}
	// Without the four lists, nothing has changed; with them, one entry.
	if got, want := len(after.Locks()), len(before.Locks())+1; got != want {
		t.Fatalf("%q becomes %q: expected %d locks, got %d", data, added, want, got)
	}
	for _, l := range before.Locks() {
		if len(after.FindLock(l)) == 0 {
			t.Fatalf("%q becomes %q: %v is gone", data, added, l)
		}
	}
	checkRestIsTheSame(t, before, after)
	if gone := difference(data, added); !isSubsequence(data, added) && !slices.Contains([]string{"~", "null", "Null", "NULL"}, gone) {
		t.Fatalf("%q becomes %q: %q is gone", data, added, gone)
	}
	removed, err := policy.RemoveLock("config.yml", added, lock)
	if err != nil {
		t.Fatalf("%q becomes %q: %v", data, added, err)
	}
	hadList := false
	for _, l := range before.Locks() {
		hadList = hadList || l.Kind == lock.Kind
	}
	if hadList && !bytes.Equal(removed, data) {
		t.Fatalf("%q becomes %q, and back %q", data, added, removed)
	}
}

func checkRemoved(t *testing.T, data, removed []byte, lock policy.Lock) {
	t.Helper()
	before, after := parseForComparison(t, data), parseForComparison(t, removed)
	gone := before.FindLock(lock)
	if len(after.FindLock(lock)) != 0 || len(after.Locks()) != len(before.Locks())-len(gone) {
		t.Fatalf("%q becomes %q: expected all but %v", data, removed, gone)
	}
	checkRestIsTheSame(t, before, after)
	if !isSubsequence(removed, data) || len(gone) == 0 && !bytes.Equal(removed, data) {
		t.Fatalf("%q becomes %q: something came in", data, removed)
	}
}

func parseForComparison(t *testing.T, data []byte) *policy.Config {
	t.Helper()
	c, err := policy.ParseConfig("config.yml", data)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return c
}

func checkRestIsTheSame(t *testing.T, before, after *policy.Config) {
	t.Helper()
	a, b := *before, *after
	for _, c := range []*policy.Config{&a, &b} {
		c.DenyEmails, c.DenyUsers, c.Deny, c.RevokedBefore = nil, nil, nil, nil
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("expected %+v, got %+v", a, b)
	}
}

// difference is what stands in before between what both texts start and end with.
func difference(before, after []byte) string {
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	return string(before)
}

func isSubsequence(part, whole []byte) bool {
	for _, c := range whole {
		if len(part) > 0 && part[0] == c {
			part = part[1:]
		}
	}
	return len(part) == 0
}
