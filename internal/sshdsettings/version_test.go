package sshdsettings

import "testing"

func TestVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026": {Major: 9, Minor: 2},
		"unknown option -- V\nOpenSSH_7.4p1, OpenSSL 1.0.2k-fips":     {Major: 7, Minor: 4},
		"OpenSSH_10.0p2": {Major: 10, Minor: 0},
	} {
		if got, ok := parseVersion(text); !ok || got != want {
			t.Errorf("%q: got %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "dropbear", "OpenSSH", "OpenSSH_99999999999999999999.1"} {
		if got, ok := parseVersion(text); ok {
			t.Errorf("%q: got %v", text, got)
		}
	}
	if v := (Version{Major: 9, Minor: 4}); v.Before(9, 4) || !v.Before(9, 5) || !v.Before(10, 0) || v.Before(8, 9) {
		t.Error("versions do not compare")
	}
}
