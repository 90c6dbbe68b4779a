package attacks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestRuleThatComesFirst.
//
// Power: alice's login, whom a rule lets do one thing only; and a file of rules that somebody has opened to others, or closed to the
// verifier, by mistake or because alice asked for it.
// Move: logs in, in the hope that the rule with the limits is left out with its file, and a wider one behind it decides: in another
// file, in the home folder of the user, or a plugin's.
// Expected: rule-untrusted, where the rule would have been the first that fits, or where nobody can tell. Whom the file does not concern
// gets in as before, by what stands before it, and behind it if it can be read.
func TestRuleThatComesFirst(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	providers := op.URL + " " + pktokentest.ClientID + " 24h\n"
	limited := "alice alice@example.com " + op.URL + ` command="/usr/bin/deploy",restrict` + "\n"
	wide := "alice oidc-match-end:email:@example.com " + op.URL + "\n"
	bobs := "alice bob@example.com " + op.URL + ` command="/usr/bin/deploy"` + "\n"
	const untrusted = "rule-untrusted"
	chmod := func(mode os.FileMode) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { check(t, os.Chmod(path, mode)) }
	}
	open, closed := chmod(0o664), chmod(0o600)
	for _, test := range []struct {
		name   string
		files  map[string]string // wide is in auth_id.d/50.conf
		spoil  string
		how    func(t *testing.T, path string)
		want   string // for alice@example.com as alice
		plugin bool   // no wide rule, but a plugin that allows
	}{
		{"writable by the group", map[string]string{"auth_id": limited}, "auth_id", open, untrusted, false},
		{"writable by others", map[string]string{"auth_id": limited}, "auth_id", chmod(0o646), untrusted, false},
		{"somebody else's", map[string]string{"auth_id": limited}, "auth_id", fileFaults["somebody else's"], untrusted, false},
		{"closed", map[string]string{"auth_id": limited}, "auth_id", closed, untrusted, false},
		{"a link to nowhere", map[string]string{"auth_id": limited}, "auth_id", fileFaults["dangling link"], untrusted, false},
		{"a FIFO", map[string]string{"auth_id": limited}, "auth_id", fileFaults["FIFO"], untrusted, false},
		{"too large", map[string]string{"auth_id": limited}, "auth_id", fileFaults["1 TB"], untrusted, false},
		{"in a folder, before", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", open, untrusted, false},
		{"behind a link", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", func(t *testing.T, path string) {
			link(t, path)
			check(t, os.Chmod(path, 0o664))
		}, untrusted, false},
		{"closed in a folder, before", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", closed, untrusted, false},
		{"the folder writable by the group", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d", chmod(0o775), untrusted, false},
		{"the folder somebody else's link", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d", func(t *testing.T, path string) {
			check(t, os.Rename(path, path+"-2"))
			check(t, os.Symlink(path+"-2", path))
			check(t, os.Lchown(path, stranger, 0))
		}, untrusted, false},
		{"in front of a plugin", map[string]string{"auth_id": limited}, "auth_id", open, untrusted, true},
		{"closed in front of a plugin", map[string]string{"auth_id": limited}, "auth_id", closed, untrusted, true},

		{"a folder in the place of a file", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o755))
		}, allowed, false},
		{"nobody's rule", map[string]string{"auth_id": "# nothing\n"}, "auth_id", open, allowed, false},
		{"empty", map[string]string{"auth_id": ""}, "auth_id", open, allowed, false},
		{"bob's rule alone", map[string]string{"auth_id": bobs}, "auth_id", open, allowed, false},
		{"another user's rule", map[string]string{"auth_id": strings.Replace(limited, "alice ", "deploy ", 1)}, "auth_id", open, allowed, false},
		{"bob's rule, in front of a plugin", map[string]string{"auth_id": bobs}, "auth_id", open, allowed, true},
		{"a folder behind a link", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Symlink("/usr", path))
		}, allowed, false},
		{"a link to /dev/null", map[string]string{"auth_id.d/10.conf": limited}, "auth_id.d/10.conf", func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Symlink(os.DevNull, path))
		}, allowed, false},
		{"bob's rule behind a link", map[string]string{"auth_id.d/10.conf": bobs}, "auth_id.d/10.conf", func(t *testing.T, path string) {
			link(t, path)
			check(t, os.Chmod(path, 0o664))
		}, allowed, false},
		{"a rule that is no rule", map[string]string{"auth_id": "alice alice@example.com\n"}, "auth_id", open, allowed, false},
		{"a rule whose time is over", map[string]string{"auth_id": "alice alice@example.com " + op.URL + ` expiry-time="20200101"` + "\n"}, "auth_id", open, allowed, false},
		{"behind the one that decides", map[string]string{"auth_id": wide, "auth_id.d/10.conf": limited}, "auth_id.d/10.conf", open, allowed, false},
		{"closed behind the one that decides", map[string]string{"auth_id": wide, "auth_id.d/10.conf": limited}, "auth_id.d/10.conf", closed, allowed, false},
		{"a file with another ending", map[string]string{"auth_id": wide, "auth_id.d/10.bak": limited}, "auth_id.d/10.bak", open, allowed, false},
		{"an empty folder that others can write to", map[string]string{"auth_id": wide, "auth_id.d/x": ""}, "auth_id.d", chmod(0o777), allowed, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, providers, "")
			if test.plugin {
				h.plugin(t, "p", "allow", "echo allow")
			} else {
				h.write(t, "auth_id.d/50.conf", wide)
			}
			for name, text := range test.files {
				h.write(t, name, text)
			}
			o := forge(t, op.Issuer).offer()
			path := filepath.Join(h.config, test.spoil)
			test.how(t, path)
			a := h.attack(t, o, test.want)
			d := a.log["login"][0]
			if test.want == allowed {
				return
			}
			file, _ := d["rule_file"].(string)
			detail, _ := d["detail"].(string)
			if !strings.HasPrefix(file, path) || !strings.Contains(detail, file) || d["plugin"] != nil {
				t.Errorf("expected that it names %s, got %v", path, d)
			}
			if len(a.log["file left out"]) == 0 {
				t.Errorf("expected a line about the file, got\n%s", a.stderr)
			}
		})
	}
}

// TestWriterOfUntrustedRules.
//
// Power: can write to a file or folder of rules, which somebody has opened to others.
// Move: writes rules for himself, for those whom he wants to keep out, and what costs time and memory.
// Expected: rule-untrusted at most: nobody gets in by them, whom a rule in front lets in gets in as before, and it costs little.
func TestWriterOfUntrustedRules(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	providers := op.URL + " " + pktokentest.ClientID + " 24h\n"
	rule := "alice alice@example.com " + op.URL + "\n"
	const untrusted = "rule-untrusted"
	row := []byte(strings.Repeat("x", 99) + "\n")
	for name, test := range map[string]struct {
		first string // what auth_id says
		write func(t *testing.T, folder string)
		want  string
	}{
		"a rule": {"", func(t *testing.T, folder string) { writeFile(t, folder+"/x.conf", rule) }, untrusted},
		"a rule, before root's": {"", func(t *testing.T, folder string) {
			writeFile(t, folder+"/x.conf", rule)
			writeFile(t, folder+"/y.conf", rule)
		}, untrusted},
		"a rule, behind root's": {rule, func(t *testing.T, folder string) { writeFile(t, folder+"/x.conf", rule) }, allowed},
		"8 MiB": {rule, func(t *testing.T, folder string) {
			writeFile(t, folder+"/x.conf", strings.Repeat(string(row), 8<<20/len(row)))
		}, allowed},
		"60 MiB": {rule, func(t *testing.T, folder string) {
			writeFile(t, folder+"/x.conf", strings.Repeat(string(row), 60<<20/len(row)))
		}, allowed},
		"one line of 8 MiB for alice": {rule, func(t *testing.T, folder string) {
			writeFile(t, folder+"/x.conf", "alice "+strings.Repeat("a", 8<<20-10))
		}, allowed},
		"900 files of 8 MiB": {rule, func(t *testing.T, folder string) {
			writeFile(t, folder+"/0.conf", "")
			check(t, os.Truncate(folder+"/0.conf", 8<<20))
			for i := range 899 {
				check(t, os.Link(folder+"/0.conf", folder+"/"+string(rune('A'+i%26))+strings.Repeat("a", i/26)+".conf"))
			}
		}, allowed},
		"20 000 names": {rule, func(t *testing.T, folder string) {
			writeFile(t, folder+"/0.conf", rule)
			for i := range 20_000 {
				check(t, os.Symlink("0.conf", folder+"/"+strings.Repeat("a", i%200)+string(rune('A'+i/200%26))+string(rune('A'+i/200/26))+".conf"))
			}
		}, allowed},
		"a FIFO": {rule, func(t *testing.T, folder string) { check(t, syscall.Mkfifo(folder+"/x.conf", 0o666)) }, allowed},
		"a link": {rule, func(t *testing.T, folder string) { check(t, os.Symlink("/dev/zero", folder+"/x.conf")) }, allowed},
		"a link to a file of root's": {"", func(t *testing.T, folder string) {
			writeFile(t, filepath.Dir(folder)+"/other", rule)
			check(t, os.Symlink("../other", folder+"/x.conf"))
		}, untrusted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, providers, test.first)
			folder := filepath.Join(h.config, "auth_id.d")
			check(t, os.Mkdir(folder, 0o755))
			test.write(t, folder)
			check(t, os.Chmod(folder, 0o777))
			h.attack(t, forge(t, op.Issuer).offer(), test.want)
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

// TestOneOfManyDropIns.
//
// Power: can write to one file of a drop-in folder with many others, which root has given to somebody by mistake.
// Move: does nothing, or takes a lease on the file (fcntl(2)), so that whoever opens it fails as if the machine had failed.
// Expected: the file harms itself alone and, if it has rules, whom a file behind it would let in; and what the log says of many such files
// has an end.
func TestOneOfManyDropIns(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	providers := op.URL + " " + pktokentest.ClientID + " 24h\n"
	rule := "alice alice@example.com " + op.URL + "\n"
	const many = 1100
	for name, test := range map[string]struct {
		folder, other string // the rows of the other kind are in a file alone
		rows          string
	}{
		"rules":     {"auth_id.d", "providers", rule},
		"providers": {"providers.d", "auth_id", providers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "", "")
			h.write(t, test.other, map[string]string{"providers": providers, "auth_id": rule}[test.other])
			h.write(t, test.folder+"/50.conf", test.rows)
			for i := range many {
				h.write(t, fmt.Sprintf("%s/x%04d.conf", test.folder, i), "# nobody\n")
				h.write(t, fmt.Sprintf("%s/50.conf.%04d", test.folder, i), "")
			}
			theirs := h.write(t, test.folder+"/60.conf", "# nothing\n")
			o := forge(t, op.Issuer).offer()
			check(t, os.Chown(theirs, stranger, 0))
			h.attack(t, o, allowed)
			file, err := os.OpenFile(theirs, os.O_RDWR, 0)
			check(t, err)
			defer func() { _ = file.Close() }()
			_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
			check(t, err)
			a := h.attack(t, o, allowed)
			if n := len(a.log["file left out"]); n != 1 {
				t.Errorf("expected a line about the file, got %d\n%s", n, a.stderr)
			}
			check(t, file.Close())

			for i := range many {
				check(t, os.Chmod(fmt.Sprintf("%s/%s/x%04d.conf", h.config, test.folder, i), 0o664))
			}
			a = h.attack(t, o, allowed)
			if more := a.log["more files left out"]; len(a.log["file left out"]) != 20 || len(more) != 1 || more[0]["number"] != float64(many+1-20) {
				t.Errorf("expected 20 lines and one about the others, got\n%s", a.stderr)
			}
		})
	}
}
