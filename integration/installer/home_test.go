package installer_test

import "testing"

// TestHomeIsItsUsers: root reads no secret out of a home folder, and is given no command to paste that follows what a user puts there.
func TestHomeIsItsUsers(t *testing.T) {
	t.Parallel()
	r := system(t)
	const (
		file   = "/home/alice/.opk/auth_id"
		copied = "\nhint: as alice: cd '/home/alice/.opk' && cp auth_id new && chmod go-w new && mv -f new auth_id\n"
	)
	r.Write(t, file[1:], "alice bob@example.com https://op.example.com\n", 0o644)
	want(t, r.Run(t, "chown", "-R", "alice", "/home/alice"), 0)
	for _, test := range []struct{ spoil, mend, hint string }{
		{"chown 4711 " + file, "chown alice " + file, "owner: expected root or alice, got uid 4711" + copied},
		{"chmod 664 " + file, "chmod 644 " + file, "mode: expected not writable by group or others, got 0664" + copied},
		{"chmod 775 /home/alice/.opk", "chmod 755 /home/alice/.opk", "\nhint: as alice: chmod go-w '/home/alice/.opk'\n"},
		{"chown 4711 /home/alice", "chown alice /home/alice", "\nhint: chown -h 'alice' '/home/alice'\n"},
	} {
		want(t, r.Run(t, "sh", "-c", test.spoil), 0)
		want(t, r.Run(t, "/root/verifier", "readhome", "alice"), 1, test.hint)
		want(t, r.Run(t, "sh", "-c", test.mend), 0)
	}
	// The hint mends it, and alice can do it herself.
	want(t, r.Run(t, "chmod", "664", file), 0)
	want(t, r.Run(t, "runuser", "-u", "alice", "--", "sh", "-c", "cd '/home/alice/.opk' && cp auth_id new && chmod go-w new && mv -f new auth_id"), 0)
	want(t, r.Run(t, "/root/verifier", "readhome", "alice"), 0, "bob@example.com")

	// What alice could do where fs.protected_hardlinks is 0.
	want(t, r.Run(t, "ln", "-f", "/etc/shadow", file), 0)
	got := r.Run(t, "/root/verifier", "readhome", "alice")
	want(t, got, 1, "hard links: expected a file of root's with one name, got one with 2"+copied)
	if got.Stdout != "" {
		t.Errorf("root's file: got %+v", got)
	}
	// A second name for a file of her own is nobody else's business.
	want(t, r.Run(t, "sh", "-c", "rm "+file+" && echo x >/home/alice/rules && chown alice /home/alice/rules && ln /home/alice/rules "+file), 0)
	want(t, r.Run(t, "/root/verifier", "readhome", "alice"), 0, "x\n")
}
