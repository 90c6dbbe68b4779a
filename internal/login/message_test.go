package login_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/internal/login"
)

// wantMessage compares what a person reads with the golden file testdata/messages/NAME.txt. Run with -update to write it.
func wantMessage(t *testing.T, op *openIDProvider, name string, e *login.Error) {
	t.Helper()
	got := e.Error() + "\n"
	if e.Hint != "" {
		got += "hint: " + e.Hint + "\n"
	}
	got = strings.ReplaceAll(got, op.issuer.URL, "ISSUER")
	golden := filepath.Join("testdata", "messages", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("expected\n%sgot\n%s", want, got)
	}
	if strings.Contains(got, "hush") {
		t.Errorf("a secret in %s", got)
	}
}
