package verifier_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/pkg/pktoken/pktokentest"
)

// keys runs a keys command on the host's folders.
func (h *host) keys(t *testing.T, command string, args ...string) *answer {
	t.Helper()
	return run(t, append([]string{"keys", command, "--config-dir", h.config, "--cache-dir", h.cache}, args...)...)
}

// issuers reads what --json prints.
func issuers(t *testing.T, a *answer) []map[string]any {
	t.Helper()
	var reports []map[string]any
	if err := json.Unmarshal([]byte(a.stdout), &reports); err != nil {
		t.Fatalf("%v: %q\n%s", err, a.stdout, a.stderr)
	}
	return reports
}

func wantExit(t *testing.T, a *answer, code int) {
	t.Helper()
	if a.code != code {
		t.Fatalf("expected exit code %d, got %d\n%s%s", code, a.code, a.stdout, a.stderr)
	}
}

func TestKeysRefresh(t *testing.T) {
	h := newHost(t)
	if r := issuers(t, h.keys(t, "list", "--json")); len(r) != 1 || r[0]["state"] != "missing" || r[0]["issuer"] != h.issuer.URL {
		t.Errorf("before: got %v", r)
	}
	first := h.keys(t, "refresh", "--all", "--json")
	wantExit(t, first, 0)
	if r := issuers(t, first); len(r) != 1 || r[0]["result"] != "refreshed" || r[0]["state"] != "fresh" {
		t.Errorf("got %v", r)
	}
	again := h.keys(t, "refresh", h.issuer.URL)
	wantExit(t, again, 0)
	if !strings.HasPrefix(again.stdout, h.issuer.URL+": unchanged, 1 key, fresh until ") {
		t.Errorf("got %q", again.stdout)
	}
	if n := h.issuer.JWKS.Load(); n != 2 {
		t.Errorf("expected two requests, got %d", n)
	}
	list := h.keys(t, "list")
	wantExit(t, list, 0)
	if !strings.HasPrefix(list.stdout, h.issuer.URL+": fresh for ") {
		t.Errorf("got %q", list.stdout)
	}

	// One that does not answer keeps nobody else's keys from coming, nor its own from staying.
	h.write(t, "providers", h.issuer.URL+" "+pktokentest.ClientID+" 24h\nhttp://127.0.0.1:1 x 24h\n")
	some := h.keys(t, "refresh", "--all", "--json")
	wantExit(t, some, 1)
	if r := issuers(t, some); len(r) != 2 || r[0]["result"] != "unchanged" || r[1]["result"] != "failed" || r[1]["error"] == nil {
		t.Errorf("got %v", r)
	}
	h.issuer.Close()
	down := h.keys(t, "refresh", h.issuer.URL)
	wantExit(t, down, 1)
	if !strings.Contains(down.stderr, "hint: what is held stays: "+h.issuer.URL+": fresh for ") || down.stdout != "" {
		t.Errorf("got %q, %q", down.stdout, down.stderr)
	}
	id := h.issuer.Login(t, alice)
	wantLine(t, h.verify(t, "alice", id.Certificate), id)

	// What providers does not name any more is still there.
	h.write(t, "providers", "http://127.0.0.1:1 x 24h\n")
	if a := h.keys(t, "list"); !strings.Contains(a.stdout, h.issuer.URL+": fresh") || !strings.Contains(a.stdout, ", not in providers") {
		t.Errorf("got %q", a.stdout)
	}
}

// TestKeysWithoutKeyID: RFC 7517 §4.5 lets a provider leave `kid` out.
func TestKeysWithoutKeyID(t *testing.T) {
	h := newHost(t)
	h.issuer.Kid = ""
	for _, result := range []string{"refreshed", "unchanged", "refreshed"} {
		a := h.keys(t, "refresh", "--all")
		wantExit(t, a, 0)
		if !strings.HasPrefix(a.stdout, h.issuer.URL+": "+result+", 1 key, fresh until ") {
			t.Errorf("expected %s and 1 key, got %q", result, a.stdout)
		}
		if result == "unchanged" {
			h.issuer.Issuer = pktokentest.NewIssuer(t, h.issuer.URL, "ES256")
			h.issuer.Kid = ""
		}
	}
	if a := h.keys(t, "list"); !strings.HasSuffix(a.stdout, " ago, 1 key\n") {
		t.Errorf("got %q", a.stdout)
	}
}

// TestKeysOfRowsLeftOut: a slip in providers does not make its issuer one that the host does not have.
func TestKeysOfRowsLeftOut(t *testing.T) {
	const unseen = "whether it is in providers cannot be seen"
	h := newHost(t)
	good := h.issuer.URL + " " + pktokentest.ClientID + " 24h\n"
	wantExit(t, h.keys(t, "refresh", "--all"), 0)
	bundle := filepath.Join(t.TempDir(), "keys.json")
	wantExit(t, h.keys(t, "export", bundle), 0)
	other := newHost(t)

	for name, leaveOut := range map[string]func() (fault string){
		"a row": func() string {
			h.write(t, "providers", strings.Replace(good, "24h", "24hh", 1))
			return "row left out: " + filepath.Join(h.config, "providers") + ":1:"
		},
		"a row of two": func() string {
			h.write(t, "providers", strings.Replace(good, "24h", "24hh", 1)+other.issuer.URL+" x 24h\n")
			return "row left out: " + filepath.Join(h.config, "providers") + ":1:"
		},
		"a file": func() string {
			h.write(t, "providers", good)
			check(t, os.Chmod(filepath.Join(h.config, "providers"), 0o666))
			return "file left out: " + filepath.Join(h.config, "providers") + ": mode: "
		},
	} {
		check(t, os.Chmod(filepath.Join(h.config, "providers"), 0o644))
		fault := leaveOut()
		for command, args := range map[string][]string{
			"list": nil, "list --json": {"--json"}, "import": {bundle}, "import --dry-run": {"--dry-run", bundle}, "import --json": {"--json", bundle},
			"export": {"-"}, "refresh": {"--all"},
		} {
			command, flag, _ := strings.Cut(command, " ")
			a := h.keys(t, command, args...)
			wantExit(t, a, 1)
			if !strings.Contains(a.stderr, fault) || strings.Contains(a.stdout+a.stderr, "not in providers") || strings.Contains(a.stderr, "not in this host") {
				t.Errorf("%s, %s %s: expected %q, got %q, %q", name, command, flag, fault, a.stdout, a.stderr)
			}
			switch {
			case flag == "--json":
				i := slices.IndexFunc(issuers(t, a), func(r map[string]any) bool { return r["issuer"] == h.issuer.URL })
				if r := issuers(t, a); i < 0 || r[i]["error"] != unseen || r[i]["configured"] != false || command == "import" && r[i]["result"] != "failed" {
					t.Errorf("%s: got %v", name, r)
				}
			case command == "list" || command == "import":
				if !strings.Contains(a.stdout+a.stderr, unseen) {
					t.Errorf("%s, %s %s: expected %q, got %q, %q", name, command, flag, unseen, a.stdout, a.stderr)
				}
			}
		}
		// audit says it of the row or the file, and not of the folder with the keys.
		a := run(t, "audit", "--offline", "--config-dir", h.config, "--cache-dir", h.cache, "--user", "root")
		if !strings.Contains(a.stdout, filepath.Join(h.config, "providers")) || strings.Contains(a.stdout, "(cache-folder)") {
			t.Errorf("%s: got %q", name, a.stdout)
		}
	}

	// What is held of an issuer that may be the host's is not taken along in silence.
	check(t, os.Chmod(filepath.Join(h.config, "providers"), 0o644))
	h.write(t, "providers", good+other.issuer.URL+" x 24h\n")
	wantExit(t, h.keys(t, "refresh", "--all"), 0)
	h.write(t, "providers", good+other.issuer.URL+" x 24hh\n")
	a := h.keys(t, "export", "-")
	wantExit(t, a, 1)
	if !strings.Contains(a.stderr, other.issuer.URL+": "+unseen+", it is left out\nrow left out: ") || !strings.Contains(a.stdout, h.issuer.URL) || strings.Contains(a.stdout, other.issuer.URL) {
		t.Errorf("got %q, %q", a.stdout, a.stderr)
	}
	if a := h.keys(t, "refresh", "--all"); a.code != 1 || !strings.HasPrefix(a.stdout, h.issuer.URL+": unchanged") {
		t.Errorf("expected that the others are asked, got %+v", a)
	}
}

// TestKeysOffline: a host that never reaches the provider lets people in with the keys of one that does.
func TestKeysOffline(t *testing.T) {
	online := newHost(t)
	offline := &host{config: filepath.Join(t.TempDir(), "opk"), cache: filepath.Join(t.TempDir(), "cache"), issuer: online.issuer}
	for _, name := range []string{"config.yml", "providers", "auth_id"} {
		data, err := os.ReadFile(filepath.Join(online.config, name))
		if err != nil {
			t.Fatal(err)
		}
		offline.write(t, name, string(data))
	}
	if err := os.Mkdir(offline.cache, 0o700); err != nil {
		t.Fatal(err)
	}
	wantExit(t, online.keys(t, "refresh", "--all"), 0)
	online.issuer.Close()
	id := online.issuer.Login(t, alice)
	wantReason(t, offline.verify(t, "alice", id.Certificate), "keys-unavailable")

	bundle := filepath.Join(t.TempDir(), "keys.json")
	wantExit(t, online.keys(t, "export", bundle), 0)
	toStdout := online.keys(t, "export", "-")
	wantExit(t, toStdout, 0)
	if data, err := os.ReadFile(bundle); err != nil || string(data) != toStdout.stdout {
		t.Errorf("expected the same in the file as on standard output, got %q, %v", data, err)
	}

	try := offline.keys(t, "import", "--dry-run", bundle)
	wantExit(t, try, 0)
	wantReason(t, offline.verify(t, "alice", id.Certificate), "keys-unavailable")
	got := offline.keys(t, "import", bundle)
	wantExit(t, got, 0)
	if !strings.HasPrefix(got.stdout, online.issuer.URL+": imported, fetched at ") || got.stdout != try.stdout {
		t.Errorf("got %q, and with --dry-run %q", got.stdout, try.stdout)
	}
	wantLine(t, offline.verify(t, "alice", id.Certificate), id)
	fetched := issuers(t, online.keys(t, "list", "--json"))[0]["fetched_at"]
	if r := issuers(t, offline.keys(t, "list", "--json")); r[0]["fetched_at"] != fetched {
		t.Errorf("expected keys of %v, got %v", fetched, r)
	}

	// The same through a pipe, which brings nothing new.
	cmd := exec.Command(endtoend.Verifier(t), "keys", "import", "--config-dir", offline.config, "--cache-dir", offline.cache, "--json", "-")
	cmd.Stdin = strings.NewReader(toStdout.stdout)
	piped := runCommand(t, cmd)
	wantExit(t, piped, 0)
	if r := issuers(t, piped); len(r) != 1 || r[0]["result"] != "unchanged" {
		t.Errorf("got %v", r)
	}

	// Issuers of other hosts are left out, and that is no failure. Of what is held, nothing has to be in the bundle.
	another := newHost(t)
	wantExit(t, another.keys(t, "refresh", "--all"), 0)
	theirs := filepath.Join(t.TempDir(), "keys.json")
	wantExit(t, another.keys(t, "export", theirs), 0)
	others := offline.keys(t, "import", "--json", theirs)
	wantExit(t, others, 0)
	if r := issuers(t, others); len(r) != 1 || r[0]["result"] != "left-out" {
		t.Errorf("got %v", r)
	}
	if !strings.Contains(others.stderr, online.issuer.URL+": is in providers, and not in the bundle: what is held stays") {
		t.Errorf("got %q", others.stderr)
	}

	// One of which nothing is held is one with which nobody can log in: a timer has to notice.
	const missing = "https://sso.example.com"
	offline.write(t, "providers", online.issuer.URL+" "+pktokentest.ClientID+" 24h\n"+missing+" x 24h\n")
	for _, args := range [][]string{{bundle}, {"--json", bundle}, {"--dry-run", bundle}} {
		partly := offline.keys(t, "import", args...)
		wantExit(t, partly, 1)
		if !strings.Contains(partly.stderr, missing+": is in providers, and not in the bundle, and no keys are held that may serve\nhint: ") {
			t.Errorf("%q: got %q", args, partly.stderr)
		}
		if args[0] != "--json" {
			continue
		}
		if r := issuers(t, partly); len(r) != 2 || r[1]["issuer"] != missing || r[1]["result"] != "failed" || r[1]["state"] != "missing" {
			t.Errorf("got %v", r)
		}
	}
	wantLine(t, offline.verify(t, "alice", id.Certificate), id)
	rest := filepath.Join(t.TempDir(), "rest.json")
	exported := offline.keys(t, "export", rest)
	wantExit(t, exported, 1)
	if !strings.Contains(exported.stderr, missing+": no keys are held, it is left out\nhint: verifier keys refresh --all\n") {
		t.Errorf("got %q", exported.stderr)
	}
	if data, err := os.ReadFile(rest); err != nil || !strings.Contains(string(data), online.issuer.URL) {
		t.Errorf("expected what is held in the file, got %q, %v", data, err)
	}

	// What is too old is not taken, and nobody gets in with it.
	offline.write(t, "providers", online.issuer.URL+" "+pktokentest.ClientID+" 24h\n")
	old := strings.ReplaceAll(toStdout.stdout, time.Now().UTC().Format("2006-01-02T"), time.Now().Add(-96*time.Hour).UTC().Format("2006-01-02T"))
	offline.write(t, "old.json", old)
	for _, file := range []string{"provider-*.json"} {
		matches, err := filepath.Glob(filepath.Join(offline.cache, file))
		if err != nil || len(matches) != 1 {
			t.Fatalf("got %q, %v", matches, err)
		}
		if err := os.Remove(matches[0]); err != nil {
			t.Fatal(err)
		}
	}
	refused := offline.keys(t, "import", filepath.Join(offline.config, "old.json"))
	wantExit(t, refused, 1)
	wantReason(t, offline.verify(t, "alice", id.Certificate), "keys-unavailable")

	// A file that is no bundle says nothing about the folder.
	none := offline.keys(t, "import", filepath.Join(offline.config, "providers"))
	wantExit(t, none, 1)
	if !strings.Contains(none.stderr, "bundle: expected a JSON object") || strings.Contains(none.stderr, "hint:") {
		t.Errorf("got %q", none.stderr)
	}
}
