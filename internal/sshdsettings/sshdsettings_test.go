package sshdsettings_test

import (
	"slices"
	"testing"

	"opkssh/internal/sshdsettings"
)

// As sshd 9.2 prints it, and some lines as others do.
const printed = `port 22
pubkeyauthentication yes
AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t
authorizedkeyscommanduser none
allowusers alice
allowusers bob carol
casignaturealgorithms ssh-ed25519,ecdsa-sha2-nistp256

pubkeyacceptedkeytypes ssh-rsa
`

func TestParse(t *testing.T) {
	s := sshdsettings.Parse(printed)
	if got, want := s.Command(), "/usr/local/bin/verifier verify %u %k %t"; got != want {
		t.Errorf("command: expected %q, got %q", want, got)
	}
	if got := s.CommandUser(); got != "" {
		t.Errorf("user: expected none, got %q", got)
	}
	if got, want := s.Words("allowusers"), []string{"alice", "bob", "carol"}; !slices.Equal(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
	if got := s.First("pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"); got != "ssh-rsa" {
		t.Errorf("expected the second keyword's value, got %q", got)
	}
	for _, test := range []struct {
		name, keyword string
		want          bool
	}{
		{"ssh-ed25519", "casignaturealgorithms", true},
		{"ssh-ed", "casignaturealgorithms", false},
		{"ssh-ed25519", "notknown", true},
	} {
		if got := s.Has(test.name, test.keyword); got != test.want {
			t.Errorf("%s in %s: expected %v", test.name, test.keyword, test.want)
		}
	}
}
