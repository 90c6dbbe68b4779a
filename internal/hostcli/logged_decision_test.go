package hostcli

import (
	"strings"
	"testing"

	"opkssh/integration/allocation"
)

func TestFindInLines(t *testing.T) {
	const id = "06ae0e4628fdf711"
	record := func(user string) string {
		return `{"time":"2026-11-20T06:26:23.4Z","msg":"login","id":"` + id + `","decision":"deny","reason":"no-rule","user":"` + user + `"}`
	}
	for name, test := range map[string]struct{ log, user string }{
		"alone":                       {record("a"), "a"},
		"the first of two":            {record("a") + "\n" + record("b") + "\n", "a"},
		"behind a syslog header":      {"Nov 20 06:26:23 vm opkssh[7]: " + record("a") + "\n", "a"},
		"in the time of rsyslog":      {"2026-11-20T06:26:23.123456+01:00 vm.example.com opkssh[7]: " + record("a") + "\n", "a"},
		"of BusyBox":                  {"Nov  2 06:26:23 vm authpriv.warn opkssh[7]: " + record("a") + "\n", "a"},
		"of another program":          {"Nov 20 06:26:23 vm sshd[7]: Invalid user " + record("a") + "\n", ""},
		"as a name in sshd's log":     {"Nov 20 06:26:23 vm sshd[7]: Invalid user opkssh[7]: " + record("a") + "\n", ""},
		"without a time":              {"opkssh[7]: " + record("a") + "\n", ""},
		"an ID that is text":          {strings.Replace(record("a"), id, id+"; x", 1), ""},
		"a reason that is text":       {strings.Replace(record("a"), "no-rule", "run x | sh", 1), ""},
		"no decision":                 {strings.Replace(record("a"), "deny", "", 1), ""},
		"longer than ours":            {record(strings.Repeat("a", maxValue+1)), ""},
		"behind a line that is long":  {strings.Repeat("x", 3*maxLogLine) + "\n" + record("a") + "\n", "a"},
		"in a line that is long":      {strings.Repeat("x", 2*maxLogLine) + record("a") + "\n", ""},
		"exactly as long as it may":   {strings.Repeat("x", maxLogLine-1) + "\n" + record("a"), "a"},
		"another kind of line":        {strings.Replace(record("a"), `"login"`, `"row left out"`, 1), ""},
		"the ID as another value":     {strings.Replace(record(id), `"id":"`+id, `"id":"0000000000000000`, 1), ""},
		"broken JSON before the good": {`{"id":"` + id + `"` + "\n" + record("a"), "a"},
		"a time that is none":         {strings.Replace(record("a"), "2026-11-20T06", "x", 1), ""},
		"nothing":                     {"", ""},
	} {
		found, err := findInLines(id, strings.NewReader(test.log))
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case (found != nil) != (test.user != ""), found != nil && found.User != test.user:
			t.Errorf("%s: expected the record of %q, got %+v", name, test.user, found)
		}
	}
}

func FuzzFindInLines(f *testing.F) {
	const id = "06ae0e4628fdf711"
	f.Add(`{"msg":"login","id":"` + id + `","decision":"allow","user":"a"}`)
	f.Add("x\n{\n" + `{"msg":"login","id":"` + id + `","decision":"deny","reason":"no-rule","iat":"2026-11-20T06:26:23Z","cut":["a"]}` + "\n")
	f.Fuzz(func(t *testing.T, log string) {
		var found *loggedDecision
		var err error
		allocation.Check(t, len(log), func() { found, err = findInLines(id, strings.NewReader(log)) })
		if err != nil || found != nil && (found.ID != id || found.Message != "login") {
			t.Fatalf("expected the record with the ID or none, got %+v, %v", found, err)
		}
	})
}
