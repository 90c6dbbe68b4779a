// Package freeport finds ports for tests. It is for every operating system.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Find finds a TCP port on 127.0.0.1 for a program that binds it soon. It lies below the ports that
// the kernel gives to others by itself (32768 and above), so that it stays free until then.
func Find(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10240 + rand.IntN(32768-10240)
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("expected a free port between 10240 and 32767, got none")
	return 0
}
