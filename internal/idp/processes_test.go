package idp_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opkssh/internal/idp"
)

// The test binary is also the process that looks for a key: folder, issuer and key ID in the environment, "found" on its
// standard output.
func TestMain(m *testing.M) {
	if dir := os.Getenv("IDP_TEST_DIR"); dir != "" {
		os.Exit(lookForKey(dir))
	}
	os.Exit(m.Run())
}

func lookForKey(dir string) int {
	c := idp.Cache{Dir: dir, Network: idp.Network{Getenv: os.Getenv}, MinRefresh: time.Hour, Timeout: time.Minute}
	c.Warn = func(message string, args ...any) { fmt.Fprintln(os.Stderr, append([]any{message}, args...)...) }
	fmt.Println("ready")
	wanted := hasKey(os.Getenv("IDP_TEST_KEY"))
	set, err := c.Keys(context.Background(), os.Getenv("IDP_TEST_ISSUER"), wanted)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if !wanted(set) {
		fmt.Println("not found")
		return 0
	}
	fmt.Println("found")
	return 0
}

// startProcesses runs many at once and returns what each said. allReady is called when every one has started.
func startProcesses(t *testing.T, op *openIDProvider, dir, key string, allReady func()) []string {
	t.Helper()
	certificate := filepath.Join(t.TempDir(), "root.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw})
	if err := os.WriteFile(certificate, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	const processes = 20
	said := make([]string, processes)
	var ready, done sync.WaitGroup
	for i := range said {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "IDP_TEST_DIR="+dir, "IDP_TEST_ISSUER="+op.issuer, "IDP_TEST_KEY="+key, "SSL_CERT_FILE="+certificate)
		command.Stderr = os.Stderr
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ready.Add(1)
		done.Go(func() {
			lines := bufio.NewReader(output)
			_, err := lines.ReadString('\n')
			ready.Done()
			if err != nil {
				t.Error(err)
			}
			rest, err := io.ReadAll(lines)
			if err != nil {
				t.Error(err)
			}
			said[i] = strings.TrimSpace(string(rest))
			if err := command.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	allReady()
	done.Wait()
	return said
}

func wantAll(t *testing.T, said []string, want string) {
	t.Helper()
	for _, s := range said {
		if s != want {
			t.Errorf("expected %q of every process, got %q", want, s)
		}
	}
}

func TestManyProcessesMakeOneRequest(t *testing.T) {
	op, dir := newProvider(t), filepath.Join(t.TempDir(), "cache")
	// holdBack keeps the key set until every process is there.
	holdBack := func() (release func()) {
		answer, gate := op.get(jwksPath), make(chan struct{})
		op.set(jwksPath, func(w http.ResponseWriter, r *http.Request) { <-gate; answer(w, r) })
		return func() { close(gate); op.set(jwksPath, answer) }
	}

	wantAll(t, startProcesses(t, op, dir, "one", holdBack()), "found")
	op.wantRequests(1, 1)
	wantAll(t, startProcesses(t, op, dir, "one", func() {}), "found")
	op.wantRequests(0, 0)

	age := func(d time.Duration) {
		now := newClock()
		now.now = time.Now().Add(-d)
		c := op.newCache(dir, now)
		c.TTL = 24 * time.Hour
		if err := c.Refresh(context.Background(), op.issuer); err != nil {
			t.Fatal(err)
		}
		op.wantRequests(1, 1)
	}

	// Fresh keys, and the provider has a new one.
	age(2 * time.Hour)
	op.setKeys("one", "two")
	wantAll(t, startProcesses(t, op, dir, "two", holdBack()), "found")
	op.wantRequests(1, 1)
	wantAll(t, startProcesses(t, op, dir, "three", func() {}), "not found")
	op.wantRequests(0, 0)

	// Stale keys, and the provider is down.
	age(26 * time.Hour)
	op.down()
	wantAll(t, startProcesses(t, op, dir, "two", func() {}), "found")
	op.wantRequests(1, 0)
}

func TestWaitingForAnotherProcess(t *testing.T) {
	t.Run("that failed at once", func(t *testing.T) { testWaiting(t, 0, idp.ReasonBusy, 1) })
	// Longer than Timeout, shorter than MinRefresh.
	t.Run("that took long", func(t *testing.T) { testWaiting(t, idp.DefaultMinRefresh-time.Second, idp.ReasonStatus, 2) })
}

// testWaiting: while one waits, another one's request takes some time on the clock and then fails.
func testWaiting(t *testing.T, took time.Duration, want idp.Reason, requests int) {
	t.Helper()
	op, now, dir := newProvider(t), newClock(), t.TempDir()
	asked, gate := make(chan struct{}, 2), make(chan struct{})
	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-gate
		w.WriteHeader(http.StatusBadGateway)
	})
	first := make(chan error)
	go func() {
		_, err := op.newCache(dir, now).Keys(context.Background(), op.issuer, nil)
		first <- err
	}()
	<-asked
	// One that may not wait long gives up, and asks nothing.
	impatient := op.newCache(dir, now)
	impatient.Timeout = time.Millisecond
	_, err := impatient.Keys(context.Background(), op.issuer, nil)
	wantReason(t, err, idp.ReasonBusy)

	// One that waits does not repeat what failed at once. It looks at the clock for the second time when it has found the lock taken.
	patient := op.newCache(dir, now)
	patient.Timeout = idp.DefaultMinRefresh - 5*time.Second
	var looks atomic.Int32
	waiting, second := make(chan struct{}), make(chan error)
	patient.Now = func() time.Time {
		if looks.Add(1) == 2 {
			close(waiting)
		}
		return now.Now()
	}
	go func() {
		_, err := patient.Keys(context.Background(), op.issuer, nil)
		second <- err
	}()
	<-waiting
	now.move(took)
	close(gate)
	wantReason(t, <-first, idp.ReasonStatus)
	wantReason(t, <-second, want)
	op.wantRequests(requests, 0)
}

func TestPatience(t *testing.T) {
	now := newClock()
	cache := &idp.Cache{Timeout: time.Second, MaxStale: time.Hour, Now: now.Now}
	for name, test := range map[string]struct {
		freshUntil time.Time
		want       time.Duration
	}{
		"nothing held":            {time.Time{}, 2 * time.Second},
		"fresh keys":              {now.Now().Add(time.Minute), time.Second},
		"stale keys":              {now.Now().Add(-time.Minute), time.Second},
		"keys that are too stale": {now.Now().Add(-2 * time.Hour), 2 * time.Second},
	} {
		if got := cache.Patience(test.freshUntil); got != test.want {
			t.Errorf("%s: expected %v, got %v", name, test.want, got)
		}
	}
}
