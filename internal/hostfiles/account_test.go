package hostfiles

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"opkssh/integration/allocation"
)

func TestUserNames(t *testing.T) {
	for _, name := range []string{
		"alice", "Alice.Smith", "alice@example.com", `EXAMPLE\alice`, "svc$", "_apt", "a", "0", "1000", "+x", "#x", "älice", "a,b", "a=b", "*",
		strings.Repeat("a", 256),
	} {
		if err := checkUserName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "-", "--", "--help", "-s", "a:b", "a/b", "../alice", "/", "a b", " a", "a\n", "a\tb", "a\x00", "a\x1b[2J", "a\x7f", "a\u0085", "a\u00a0b",
		"a\xff", "a\x9b2J", "\u2028", strings.Repeat("a", 257),
	} {
		if err := checkUserName(name); !errors.Is(err, ErrUserName) {
			t.Errorf("%q: expected ErrUserName, got %v", name, err)
		}
	}
}

const passwd = `root:x:0:0:root:/root:/bin/bash
# alice:x:1:1::/comment:/bin/sh
+alice::::::
+nis:x:8:8::/home/nis:/bin/sh
alice2:x:2:2::/home/alice2:/bin/sh
alice:x:3
alice:x:1001:1001:Alice,,,:/home//alice/.:/bin/sh
alice:x:4:4::/second:/bin/sh
EXAMPLE\bob:*:4294967295:5::/home/EXAMPLE/bob:/bin/sh
nohome:x:6:6:::/bin/sh
relative:x:7:7::home:/bin/sh
notanumber:x:0x0:7::/:/bin/sh
negative:x:-1:7::/:/bin/sh
large:x:4294967296:7::/:/bin/sh
signed:x:+0:7::/:/bin/sh
empty:x::7::/:/bin/sh
nogroup:x:8:::/:/bin/sh
`

func TestFindAccount(t *testing.T) {
	for name, want := range map[string]Account{
		"root":        {UID: 0, Home: "/root"},
		"alice":       {UID: 1001, GID: 1001, Home: "/home/alice"},
		`EXAMPLE\bob`: {UID: 4294967295, GID: 5, Home: "/home/EXAMPLE/bob"},
		"nohome":      {UID: 6, GID: 6},
		"relative":    {UID: 7, GID: 7},
	} {
		want.Name = name
		if got, err := findAccount(strings.NewReader(passwd), name); err != nil || *got != want {
			t.Errorf("%s: expected %+v, got %+v, %v", name, want, got, err)
		}
	}
	for _, name := range []string{"Alice", "alic", "x", "1001", "", "+alice", "+nis", "# alice", "bob", "nobody"} {
		if got, err := findAccount(strings.NewReader(passwd), name); !errors.Is(err, ErrNoAccount) {
			t.Errorf("%s: expected ErrNoAccount, got %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"notanumber", "negative", "large", "signed", "empty", "nogroup"} {
		if got, err := findAccount(strings.NewReader(passwd), name); err == nil || errors.Is(err, ErrNoAccount) {
			t.Errorf("%s: expected an error about the entry, got %+v, %v", name, got, err)
		}
	}
	// Of an account that may stand behind what cannot be read nothing is known.
	broken := errors.New("broken")
	if got, err := findAccount(io.MultiReader(strings.NewReader(passwd), iotest.ErrReader(broken)), "nobody"); !errors.Is(err, broken) {
		t.Errorf("expected the reader's error, got %+v, %v", got, err)
	}
}

func FuzzFindAccount(f *testing.F) {
	f.Add(passwd, "alice")
	f.Add("a:x:0:0::/:\n", "a")
	f.Add("::::::", "")
	f.Fuzz(func(t *testing.T, passwd, name string) {
		var account *Account
		var err error
		allocation.Check(t, len(passwd), func() { account, err = findAccount(strings.NewReader(passwd), name) })
		if err != nil || checkUserName(name) != nil {
			return
		}
		if account.Name != name || !strings.Contains("\n"+passwd, "\n"+name+":") {
			t.Errorf("%+v is not in %q", account, passwd)
		}
		if account.Home != "" && (account.Home[0] != '/' || strings.Contains(account.Home, "/../")) {
			t.Errorf("home: got %q", account.Home)
		}
	})
}
