// Package host_test loads a real sshd with logins through the built program for ten minutes, or DURATION: make load. It needs root.
package host_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/soak"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

func startHost(t *testing.T, op *soak.Provider) *endtoend.Host {
	t.Helper()
	h := endtoend.StartEmptyHost(t, endtoend.Command, "LogLevel INFO")
	h.Write(t, "providers", op.URL+" "+pktokentest.ClientID+" 24h\n")
	h.Write(t, "auth_id", "alice "+soak.Email+" "+op.URL+"\n")
	// A refusal looks into alice's home, too.
	r := h.Exec(t, "root", "sh", "-c", "umask 337; echo 'opksshuser ALL=(root) NOPASSWD: /usr/local/bin/opkssh readhome *' >/etc/sudoers.d/opkssh")
	if r.ExitCode != 0 {
		t.Fatalf("sudoers: %+v", r)
	}
	return h
}

// TestHost: whatever comes, sshd's process, the cache and the folders for temporary files stay as they are.
func TestHost(t *testing.T) {
	op := soak.StartProvider(t)
	h := startHost(t, op)
	server := &soak.Server{Address: fmt.Sprintf("127.0.0.1:%d", h.Port), HostKey: h.HostKey}
	keys := &soak.Keys{}
	in := server.In(keys, "logins", op.Alice)
	log := filepath.Join(h.LogDir, "opkssh.log")
	processes := newProcesses(t, h)
	logged := 0.0
	s := &soak.Soak{
		Name: "sshd with opkssh",
		Mix: []soak.Attempt{
			in, server.Out(soak.Denied, op.Denied), in, server.Out(soak.Expired, op.Expired), in, server.Out(soak.UnknownKey, op.UnknownKeyID),
			in, server.Out(soak.Forged, op.Forged), in, server.Out("somebody's own key", soak.OwnKey),
			in, server.In(keys, "logins with access token", op.AliceWithAccessToken),
		},
		Columns: append([]soak.Column{
			{Name: "at rest: processes"},
			{Name: "at rest: zombies"},
			{Name: "at rest: sshd, resident KiB", Number: 256},
			{Name: "at rest: sshd, descriptors"},
			{Name: "at rest: sshd, threads"},
			{Name: "at rest: temporary files"},
			{Name: "at work: processes, at most", Part: 1},
			{Name: "at work: resident KiB, at most", Part: 1},
			{Name: "at work: descriptors, at most", Part: 1},
			{Name: "log, KiB", Free: true},
		}, soak.CacheColumns...),
		Rest: func() []float64 {
			now := processes.rest(t)
			logged = size(t, log)
			return append([]float64{
				now.count, now.zombies, now.resident, now.descriptors, now.threads, temporaryFiles(t),
				math.NaN(), math.NaN(), math.NaN(), logged / 1024,
			}, soak.Cache(t, h.CacheDir)...)
		},
		Busy: func() []float64 {
			now := processes.look(t)
			row := make([]float64, 10+len(soak.CacheColumns))
			row[6], row[7], row[8] = now.count, now.resident, now.descriptors
			return row
		},
		Middle: func() { keys.Rotate(t, op) },
	}
	r := s.Run(t)
	if !keys.Known() {
		t.Error("nobody got in with the provider's new key")
	}
	checkLog(t, log, r, int(keys.TooEarly.Load()))
	attempts := 0
	for _, n := range r.Attempts {
		attempts += n
	}
	r.Report(t, fmt.Sprintf("%.0f bytes of log an attempt. %s", logged/float64(attempts), keys.Notes(op)))
}

func size(t *testing.T, file string) float64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return float64(info.Size())
}

// checkLog holds the log against what was done: each decision is there, for its reason.
func checkLog(t *testing.T, path string, r *soak.Result, tooEarly int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	decisions := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var record struct{ Msg, Reason string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		if record.Msg == "login" {
			decisions[record.Reason]++ // none for a login
		}
	}
	soak.CheckRefusals(t, decisions, r, tooEarly)
	if in := r.Attempts["logins"] + r.Attempts["logins with access token"] - tooEarly; decisions[""] < in {
		t.Errorf("log: expected %d logins, got %d", in, decisions[""])
	}
}

// temporaryFiles counts what the host's users have where everybody may write.
func temporaryFiles(t *testing.T) (n float64) {
	t.Helper()
	for _, folder := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		entries, err := os.ReadDir(folder)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil && sshd.IsAccount(ownerOf(info)) {
				n++
			}
		}
	}
	return n
}
