package idp_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opkssh/internal/filelock"
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

// looking is the environment of a process that looks for a key.
func looking(t *testing.T, op *openIDProvider, dir, key string) []string {
	t.Helper()
	certificate := filepath.Join(t.TempDir(), "root.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw})
	if err := os.WriteFile(certificate, encoded, 0o644); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "IDP_TEST_DIR="+dir, "IDP_TEST_ISSUER="+op.issuer, "IDP_TEST_KEY="+key, "SSL_CERT_FILE="+certificate)
}

// startProcesses runs many at once and returns what each said. allReady is called when every one has started.
func startProcesses(t *testing.T, op *openIDProvider, dir, key string, allReady func()) []string {
	t.Helper()
	environment := looking(t, op, dir, key)
	const processes = 20
	said := make([]string, processes)
	var ready, done sync.WaitGroup
	for i := range said {
		command := exec.Command(os.Args[0])
		command.Env = environment
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
		_, release = op.hold(jwksPath)
		return release
	}

	wantAll(t, startProcesses(t, op, dir, "one", holdBack()), "found")
	op.wantRequests(1, 1)
	wantAll(t, startProcesses(t, op, dir, "one", func() {}), "found")
	op.wantRequests(0, 0)

	// Fresh keys, and the provider has a new one.
	aged(t, op, dir, 2*time.Hour)
	op.setKeys("one", "two")
	wantAll(t, startProcesses(t, op, dir, "two", holdBack()), "found")
	op.wantRequests(1, 1)
	wantAll(t, startProcesses(t, op, dir, "three", func() {}), "not found")
	op.wantRequests(0, 0)

	// Stale keys, and the provider is down.
	aged(t, op, dir, 26*time.Hour)
	op.down()
	wantAll(t, startProcesses(t, op, dir, "two", func() {}), "found")
	op.wantRequests(1, 0)
}

// aged fills a folder with keys that were fetched some time ago, and were fresh for a day.
func aged(t *testing.T, op *openIDProvider, dir string, ago time.Duration) {
	t.Helper()
	c := op.newCache(dir, &clock{now: time.Now().Add(-ago)})
	c.TTL = 24 * time.Hour
	if err := c.Refresh(context.Background(), op.issuer); err != nil {
		t.Fatal(err)
	}
	op.wantRequests(1, 1)
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
	op.down()
	asked, release := op.hold(discoveryPath)
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
	gone, leave := context.WithCancel(context.Background())
	leave()
	_, err = op.newCache(dir, now).Keys(gone, op.issuer, nil)
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
	release()
	wantReason(t, <-first, idp.ReasonStatus)
	wantReason(t, <-second, want)
	op.wantRequests(requests, 0)
}

// TestNoWaitingForAnotherProcess: what is held serves at once while another one asks, stale keys too.
func TestNoWaitingForAnotherProcess(t *testing.T) {
	op, now, dir := newProvider(t), newClock(), t.TempDir()
	for _, held := range []time.Duration{time.Minute, 2 * time.Hour} {
		if err := op.newCache(dir, now).Refresh(context.Background(), op.issuer); err != nil {
			t.Fatal(err)
		}
		now.move(held)
		asked, release := op.hold(jwksPath)
		refreshed := make(chan error)
		go func() { refreshed <- op.newCache(dir, now).Refresh(context.Background(), op.issuer) }()
		<-asked
		c := op.newCache(dir, now)
		c.Timeout = time.Millisecond
		c.Warn = func(message string, args ...any) { t.Error(message, args) }
		wantKey(t, c, op.issuer, "one", true)
		release()
		if err := <-refreshed; err != nil {
			t.Error(err)
		}
		op.wantRequests(2, 2)
	}
}

// TestAnswerOfAnotherProcess: while one waits for the lock, an answer comes. One that is fresh is enough, and whoever wrote it may hold
// the lock for longer. One that is stale already is no failure, and is asked for again.
func TestAnswerOfAnotherProcess(t *testing.T) {
	for ttl, requests := range map[time.Duration]int{time.Hour: 0, time.Second: 1} {
		op, now, other, dir := newProvider(t), newClock(), t.TempDir(), t.TempDir()
		writer := op.newCache(other, now)
		writer.TTL = ttl
		if err := writer.Refresh(context.Background(), op.issuer); err != nil {
			t.Fatal(err)
		}
		op.wantRequests(1, 1)
		now.move(2 * time.Second)
		name := idp.ProviderFileName(op.issuer)
		lock, err := os.Create(filepath.Join(dir, name+".lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lock.Close() }()
		if locked, err := filelock.Try(lock); err != nil || !locked {
			t.Fatalf("expected the lock, got %v, %v", locked, err)
		}
		c := op.newCache(dir, now)
		c.Warn = func(message string, args ...any) { t.Error(message, args) }
		looked, found := make(chan struct{}, 10000), make(chan error, 1)
		c.Now = func() time.Time {
			looked <- struct{}{}
			return now.Now()
		}
		go func() {
			_, err := c.Keys(context.Background(), op.issuer, nil)
			found <- err
		}()
		<-looked
		for _, suffix := range []string{".attempt", ".json"} {
			if err := os.Rename(filepath.Join(other, name+suffix), filepath.Join(dir, name+suffix)); err != nil {
				t.Fatal(err)
			}
		}
		// The second look is of one that has found the lock taken.
		<-looked
		if requests > 0 {
			_ = lock.Close()
		}
		select {
		case err := <-found:
			if err != nil {
				t.Errorf("ttl %v: %v", ttl, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("ttl %v: waited for the lock", ttl)
		}
		op.wantRequests(requests, requests)
	}
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
