package integration

import (
	"slices"
	"testing"

	"opkssh/internal/login"
	"opkssh/pkg/policy"
)

// TestPresetsAgree: what a client offers by default is what a host's short names stand for. The two tables are apart because
// neither package may import the other.
func TestPresetsAgree(t *testing.T) {
	known := policy.KnownProviders()
	presets := login.Presets()
	if len(known) != len(presets) {
		t.Fatalf("hosts know %d providers, clients %d", len(known), len(presets))
	}
	for i, preset := range presets {
		if k := known[i]; k.Issuer != preset.Issuer || k.ClientID != preset.ClientID || !slices.Equal(k.Aliases, preset.Aliases) {
			t.Errorf("hosts: %+v, clients: %+v", k, preset)
		}
	}
}
