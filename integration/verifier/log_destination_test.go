package verifier_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/smalldisk"
	"opkssh/pkg/pktoken/pktokentest"
)

// manyRecords makes a login write more than one record, and gives their number.
func (h *host) manyRecords(t *testing.T) int {
	t.Helper()
	const rows = 15
	h.write(t, "providers", strings.Repeat("nonsense\n", rows)+h.issuer.URL+" "+pktokentest.ClientID+" 24h\n")
	return rows + 1
}

// TestLogDestinationGone: the login goes on, no record is lost, and what is wrong is said once, not at each of them.
func TestLogDestinationGone(t *testing.T) {
	wantSaidOnce := func(t *testing.T, a *answer, id *issuer.Identity, log string) {
		t.Helper()
		wantLine(t, a, id)
		a.decision(t)
		if n := strings.Count(a.stderr, "log destination "+log+": "); n != 1 || strings.Count(a.stderr, "log destination") != 1 {
			t.Errorf("expected that it says so once, got\n%s", a.stderr)
		}
	}
	t.Run("cannot be opened", func(t *testing.T) {
		h := newHost(t)
		log := h.config + "/providers/opkssh.log"
		h.write(t, "config.yml", "log: {to: "+log+"}\n")
		records := h.manyRecords(t)
		id := h.issuer.Login(t, alice)
		a := h.verify(t, "alice", id.Certificate)
		wantSaidOnce(t, a, id, log)
		if n := countRecords(a); n != records {
			t.Errorf("expected %d records, got\n%s", records, a.stderr)
		}
	})
	for name, room := range map[string]int{"full": 0, "full after some records": 4 << 10} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			folder := filepath.Join(h.config, "log")
			check(t, os.Mkdir(folder, 0o755))
			disk := smalldisk.Mount(t, folder)
			log := filepath.Join(folder, "opkssh.log")
			h.write(t, "config.yml", "log: {to: "+log+"}\n")
			records := h.manyRecords(t)
			id := h.issuer.Login(t, alice)
			verify := func() *answer {
				line := append(append(append([]string{}, disk.Inside...), endtoend.Verifier(t)), h.arguments("alice", id.Certificate)...)
				return runCommand(t, exec.Command(line[0], line[1:]...))
			}
			file := filepath.Join(disk.Folder, "opkssh.log")
			check(t, os.WriteFile(file, nil, 0o600))
			mend := disk.Fill(t, room)
			a := verify()
			wantSaidOnce(t, a, id, log)
			kept := wholeRecords(t, file)
			if (kept > 0) != (room > 0) || kept+countRecords(a) != records {
				t.Errorf("expected %d records, got %d in the file, and\n%s", records, kept, a.stderr)
			}

			mend()
			if a := verify(); a.stdout == "" || a.stderr != "" {
				t.Errorf("with room again: expected silence, got\n%s", a.stderr)
			}
			if got, want := wholeRecords(t, file), kept+records; got != want {
				t.Errorf("with room again: expected %d records in the log, got %d", want, got)
			}
		})
	}
	t.Run("standard error, which is full", func(t *testing.T) {
		h := newHost(t)
		h.manyRecords(t)
		id := h.issuer.Login(t, alice)
		a := runCommand(t, exec.Command("sh", append([]string{"-c", `exec "$@" 2>/dev/full`, "sh", endtoend.Verifier(t)}, h.arguments("alice", id.Certificate)...)...))
		wantLine(t, a, id)
	})
}

// wholeRecords passes over what a full disk had no room for: the beginning of a record that is whole elsewhere.
func wholeRecords(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasSuffix(line, "}\n") {
			holdToSchema(t, line)
			n++
		}
	}
	return n
}

func countRecords(a *answer) int {
	n := 0
	for _, records := range a.log {
		n += len(records)
	}
	return n
}
