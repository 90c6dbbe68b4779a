// Package freeport finds ports for tests. It is for every operating system.
package freeport

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"opkssh/internal/filelock"
)

// Find finds a TCP port on 127.0.0.1 for a program that binds it soon, or several times until the test ends. It lies below the ports
// that the kernel gives to others by itself (32768 and above), and no other test gets it meanwhile.
func Find(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10240 + rand.IntN(32768-10240)
		release, taken := take(port)
		if taken {
			continue
		}
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			release()
			continue
		}
		t.Cleanup(release)
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("expected a free port between 10240 and 32767, got none")
	return 0
}

// take locks a file for the port, among all tests on this machine: two of them would find the same one free.
func take(port int) (release func(), taken bool) {
	at := filepath.Join(os.TempDir(), "opkssh-test-port-"+strconv.Itoa(port))
	now, cancel := context.WithCancel(context.Background())
	cancel()
	unlock, _, err := filelock.Lock(now, at, nil)
	if err != nil {
		return nil, true // or a file of another user's
	}
	return func() {
		_ = os.Remove(at)
		unlock()
	}, false
}
