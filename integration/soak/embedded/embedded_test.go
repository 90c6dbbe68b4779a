// Package embedded_test loads an SSH server written in Go, with pkg/sshauth in it, for ten minutes, or DURATION: make load. Such a
// server lives for months, and what a login leaves in it stays.
package embedded_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gliderssh "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/soak"
	"opkssh/internal/idp"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshauth/gliderauth"
)

// decisions counts what the server was told, by reason; "" is a login.
type decisions struct {
	mu sync.Mutex
	by map[string]int
}

func (d *decisions) decided(_ string, _ *sshauth.Grant, err error) {
	reason := ""
	var refusal *sshauth.Refusal
	if errors.As(err, &refusal) {
		reason = refusal.Reason()
	} else if err != nil {
		reason = err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.by[reason]++
}

// start serves until the test ends.
func start(t *testing.T, op *soak.Provider, cacheDir string, d *decisions) *soak.Server {
	t.Helper()
	providers, problems := policy.ParseProviders("providers", []byte(op.URL+" "+pktokentest.ClientID+" 24h\n"))
	rules, more := policy.ParseRules("auth_id", []byte("alice "+soak.Email+" "+op.URL+"\n"))
	if problems = append(problems, more...); len(problems) > 0 {
		t.Fatal(problems)
	}
	cache := &idp.Cache{Dir: cacheDir}
	auth := &gliderauth.Auth{
		Authenticator: &sshauth.Authenticator{
			Source: &sshauth.StaticSource{Providers: providers, Policy: &policy.Policy{System: rules}}, Keys: cache, Userinfo: cache,
		},
		Decided: d.decided,
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	server := &gliderssh.Server{HostSigners: []gliderssh.Signer{hostKey}, Handler: func(s gliderssh.Session) {
		if gliderauth.GrantOf(s.Context()) != nil {
			_, _ = io.WriteString(s, "in\n")
		}
	}}
	if err := auth.Install(server); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // ends when it is closed
	t.Cleanup(func() { _ = server.Close() })
	return &soak.Server{Address: listener.Addr().String(), HostKey: hostKey.PublicKey()}
}

// TestEmbeddedServer: thousands of people, keys, and unknown key IDs leave nothing in the process. The clients and the provider are
// in it too, and keep nothing either.
func TestEmbeddedServer(t *testing.T) {
	op := soak.StartProvider(t)
	folder := filepath.Join(t.TempDir(), "cache")
	d := &decisions{by: map[string]int{}}
	server := start(t, op, folder, d)
	keys := &soak.Keys{}
	in := server.In(keys, "logins", op.Alice)
	goroutines := 0 // at rest, after the first round
	s := &soak.Soak{
		Name: "SSH server in Go with sshauth and gliderauth",
		Mix: []soak.Attempt{
			in, server.Out(soak.Denied, op.Denied), server.Out(soak.Expired, op.Expired), server.Out(soak.UnknownKey, op.UnknownKeyID),
			in, server.Out(soak.Forged, op.Forged), server.Out("somebody's own key", soak.OwnKey),
			server.In(keys, "logins with access token", op.AliceWithAccessToken),
		},
		Columns: append([]soak.Column{
			{Name: "at rest: heap in use, KiB", Part: 0.1, Number: 256},
			{Name: "at rest: heap objects", Part: 0.1, Number: 2000},
			{Name: "at rest: goroutines"},
			{Name: "at rest: descriptors"},
			{Name: "at rest: threads", Part: 1}, // the runtime makes one where all others wait for the disk, and keeps it
			{Name: "at rest: resident KiB, without files", Part: 0.25, Number: 4096},
		}, soak.CacheColumns...),
		Rest: func() []float64 {
			rest(t, &goroutines)
			runtime.GC()
			runtime.GC() // what had a finalizer goes now
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			return append([]float64{
				float64(memory.HeapAlloc) / 1024, float64(memory.HeapObjects), float64(runtime.NumGoroutine()),
				descriptors(t), status(t, "Threads"), status(t, "RssAnon"),
			}, soak.Cache(t, folder)...)
		},
		Middle: func() { keys.Rotate(t, op) },
	}
	r := s.Run(t)
	if !keys.Known() {
		t.Error("nobody got in with the provider's new key")
	}
	d.check(t, r, int(keys.TooEarly.Load()))
	r.Report(t, keys.Notes(op))
}

// check: each attempt was decided once, but those with keys of others, and for its reason.
func (d *decisions) check(t *testing.T, r *soak.Result, tooEarly int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	soak.CheckRefusals(t, d.by, r, tooEarly)
	if in := r.Attempts["logins"] + r.Attempts["logins with access token"] - tooEarly; d.by[""] != in {
		t.Errorf("expected %d logins, got %d", in, d.by[""])
	}
}

// rest waits until there are no more goroutines than at the first time, when it waits until they have stopped ending.
func rest(t *testing.T, goroutines *int) {
	t.Helper()
	for now := -1; *goroutines == 0; time.Sleep(2 * time.Second) {
		if runtime.NumGoroutine() == now {
			*goroutines = now
		}
		now = runtime.NumGoroutine()
	}
	endtoend.Eventually(t, fmt.Sprintf("%d goroutines", *goroutines), func() bool { return runtime.NumGoroutine() <= *goroutines })
}

func descriptors(t *testing.T) float64 {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return float64(len(entries))
}

// status is a number in /proc/self/status (proc(5)).
func status(t *testing.T, name string) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("/proc/self/status: expected %s", name)
	}
	n, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
