package installer_test

import (
	"strings"
	"testing"

	"opkssh/internal/installer"
)

func TestParseProgramVersion(t *testing.T) {
	const own = "v1.2.0 (go1.25.0, linux/amd64)"
	for _, test := range []struct {
		output, text, other string
		ours, same          bool
	}{
		{"verifier version " + own + "\n", "verifier version " + own, "another version of this program (verifier version " + own + ")", true, true},
		{"opkssh " + own + "\n", "opkssh " + own, "another version of this program (opkssh " + own + ")", true, true},
		{"opkssh v1.1.0 (go1.25.0, linux/amd64)", "opkssh v1.1.0 (go1.25.0, linux/amd64)", "another version of this program (opkssh v1.1.0 (go1.25.0, linux/amd64))", true, false},
		{"opkssh version v0.10.0\nmore", "opkssh version v0.10.0", "another program (opkssh version v0.10.0)", false, false},
		{"x opkssh " + own, "x opkssh " + own, "another program (x opkssh " + own + ")", false, false},
		{" \n", "", "another program, of unknown version", false, false},
		{strings.Repeat("x", 200), strings.Repeat("x", 100), "another program (" + strings.Repeat("x", 100) + ")", false, false},
	} {
		v := installer.ParseProgramVersion(test.output)
		if v.Text != test.text || v.Ours != test.ours || v.Other() != test.other || v.Is(own) != test.same {
			t.Errorf("%q: got %+v, %q, the same: %v", test.output, v, v.Other(), v.Is(own))
		}
	}
	// Nobody knows what is in a build between releases.
	for _, own := range []string{"(devel) (go1.25.0, linux/amd64)", "v1.2.0+dirty (go1.25.0, linux/amd64)", "unknown (go1.25.0, linux/amd64)"} {
		if v := installer.ParseProgramVersion("verifier version " + own); !v.Ours || v.Is(own) {
			t.Errorf("%q: got %+v, the same: %v", own, v, v.Is(own))
		}
	}
}
