package untested

import "testing"

// verdict is a test that ends as it was told to, and goes on.
type verdict struct {
	testing.TB
	failed, skipped bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (v *verdict) Skipf(string, ...any)  { v.skipped = !v.failed }

func TestHere(t *testing.T) {
	for ci, fails := range map[string]bool{"": false, "false": false, "true": true, "1": true} {
		t.Setenv("CI", ci)
		v := &verdict{}
		Here(v, []string{"something"})
		if v.failed != fails || v.skipped == fails {
			t.Errorf("CI=%s: failed %v, skipped %v", ci, v.failed, v.skipped)
		}
	}
}
