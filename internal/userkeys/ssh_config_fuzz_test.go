package userkeys

import (
	"bytes"
	"testing"
)

// FuzzAddInclude: whatever stands in a config stays as it is, below one line at most, and a second time changes nothing.
func FuzzAddInclude(f *testing.F) {
	for _, seed := range []string{"", "Host a\r\n", "Include ~/.ssh/opkssh/config", "include=\"opkssh/config", "Match all\nInclude opkssh/config\n", "\xff\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		once := addInclude(bytes.Clone(config), folderConfig, "/home/alice/.ssh/opkssh/config")
		added, kept := bytes.CutSuffix(once, config)
		if !kept || len(added) > 0 && string(bytes.TrimSpace(added)) != "Include ~/.ssh/opkssh/config" {
			t.Fatalf("%q became %q", config, once)
		}
		if twice := addInclude(bytes.Clone(once), folderConfig, "/home/alice/.ssh/opkssh/config"); !bytes.Equal(twice, once) {
			t.Fatalf("%q became %q the second time", once, twice)
		}
		if mine := withoutOurs(config, "/home/alice/.ssh/opkssh"); len(mine) > len(config) {
			t.Fatalf("%q grew to %q", config, mine)
		}
	})
}
