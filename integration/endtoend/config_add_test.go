package endtoend_test

import (
	"os"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/provider"
)

// TestConfigAdd: what is said of each provider, and that its alias works from then on.
func TestConfigAdd(t *testing.T) {
	for _, kind := range provider.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			p := provider.Start(t, kind)
			alice := endtoend.NewPerson(t, p, "alice")
			output, code := alice.Run(t, "config", "add", p.Issuer, p.ClientID, "--alias", "work")
			if code != 0 || !strings.Contains(output, "hint: opkssh login work") {
				t.Fatalf("exit code %d\n%s", code, output)
			}
			if lines := strings.Count(output, "\n"); lines > 24 {
				t.Errorf("more than a screen: %d lines", lines)
			}
			t.Log("\n" + output)
			if output, code := alice.Run(t, "config", "check"); code != 0 || !strings.Contains(output, "good, 5 providers") {
				t.Errorf("exit code %d\n%s", code, output)
			}
			alice.Login(t, "work")
			if _, err := os.Stat(alice.Certificate()); err != nil {
				t.Error(err)
			}
		})
	}
}
