//go:build unix

package hostfiles

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGroups: the account's own group stands first, once, and then those that the host has it in.
func TestGroups(t *testing.T) {
	const own = 61_003
	if got := (&Account{Name: "root", GID: own}).Groups(); len(got) == 0 || got[0] != own || slices.Contains(got[1:], own) {
		t.Errorf("expected %d once, got %v", own, got)
	}
	data, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		columns := strings.Split(strings.TrimSpace(line), ":")
		if len(columns) != 4 || columns[3] == "" {
			continue
		}
		gid, err := strconv.ParseUint(columns[2], 10, 32)
		if err != nil {
			continue
		}
		member, _, _ := strings.Cut(columns[3], ",")
		if got := (&Account{Name: member, UID: own, GID: own}).Groups(); !slices.Contains(got, uint32(gid)) || got[0] != own {
			t.Errorf("%s: expected %d and %d among others, got %v", member, own, gid, got)
		}
		return
	}
	t.Log("nobody on this host is in a second group")
}
