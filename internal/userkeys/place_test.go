package userkeys_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

// TestWritePlacedAtOnce: accounts that log in for the first time, all in one moment, each have a key in the end.
func TestWritePlacedAtOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), userkeys.Folder)
	const accounts = 10
	var wait sync.WaitGroup
	var pairs [accounts]userkeys.Pair
	var failed [accounts]error
	for i := range accounts {
		who := alice
		who.subject, who.email = fmt.Sprintf("user-%d", i), fmt.Sprintf("user-%d@example.com", i)
		key, cert := who.login(t, userkeys.Ed25519)
		wait.Go(func() { pairs[i], failed[i] = userkeys.WritePlaced(folder, key, cert, userkeys.Mark{}, time.Now()) })
	}
	wait.Wait()
	for i, pair := range pairs {
		id, found := userkeys.Read(pair)
		if failed[i] != nil || !found || id.Problem != "" || id.Subject != fmt.Sprintf("user-%d", i) {
			t.Errorf("expected the key of user-%d in %s, got that of %q: %s, %v", i, pair.Key, id.Subject, id.Problem, failed[i])
		}
	}
}
