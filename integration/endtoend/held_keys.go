package endtoend

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
)

// MoveHeldKeys moves the times in a cache's file about a provider: by -2h, its keys look as if they had been fetched, and had been fresh, two
// hours earlier.
func MoveHeldKeys(t testing.TB, path string, by time.Duration) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var held map[string]any
	if err := json.Unmarshal(data, &held); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fetched_at", "fresh_until"} {
		text, _ := held[name].(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		held[name] = at.Add(by).UTC().Format(time.RFC3339Nano)
	}
	data, err = json.Marshal(held)
	if err := errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}
