// Package untested keeps what a machine cannot show from passing unseen: an old kernel has less than the sandbox asks of it.
package untested

import (
	"os"
	"testing"
)

// Here ends a test of which this machine can show nothing, for want of what is named. It is skipped, and make test names what is
// wanting at its end. On CI, where nobody reads that, it fails: CI systems set CI.
func Here(t testing.TB, wanting []string) {
	t.Helper()
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatalf("expected a machine that can show it, got one without %q\nhint: run it on Linux 6.12 or later with Landlock, or unset CI", wanting)
	}
	t.Skipf("this machine cannot show it, for want of %q", wanting)
}
