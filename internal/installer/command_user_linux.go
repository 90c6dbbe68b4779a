package installer

import "cmp"

// CommandUser is the user whom an sshd_config names for AuthorizedKeysCommand, outside its Match blocks, or "". config may be "", for the
// host's own. sshd -T knows better, and answers root alone.
func CommandUser(config string) string {
	h := &host{root: "/"}
	reader := &sshdReader{host: h}
	if reader.read(cmp.Or(config, h.sshdConfig()), 0, 0) != nil {
		return ""
	}
	user, _ := find(reader.settings, keysCommandUser, 0)
	return user.user()
}
