package freeport_test

import (
	"testing"

	"opkssh/integration/freeport"
)

func TestFind(t *testing.T) {
	if port := freeport.Find(t); port < 10240 || port > 32767 {
		t.Errorf("expected a port that the kernel does not give to others, got %d", port)
	}
}
