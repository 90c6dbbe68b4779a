//go:build linux

package installer

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"

	"opkssh/pkg/policy"
	"opkssh/policies"
)

// plainName is a name that passwd, sudoers and the units of systemd all take as it stands: sudoers reads capital letters as an alias.
var plainName = regexp.MustCompile(`^[a-z_][a-zA-Z0-9_.-]*$`)

// commandUser is the user as whom sshd runs a verifier, and where that is said.
type commandUser struct{ name, place string }

// isOurs is whether an installation has written a line.
func (p *Plan) isOurs(s sshdSetting) bool {
	_, ours := p.before.find(madeFile, s.file)
	return ours || p.inBlock(s)
}

// askedUser is as whom sshd runs the verifier where it asks one already: such lines stay as they are, so all has to be for that user. The name is ""
// where it asks none.
func (p *Plan) askedUser() (asked commandUser, err error) {
	main := p.host.sshdConfig()
	if main == "" {
		return asked, nil
	}
	settings, err := p.readSSHD(main, nil)
	if err != nil {
		return asked, err
	}
	if command, found := find(settings, keysCommand, 0); found && readsConfigFolder(command.value) {
		user, _ := find(settings, keysCommandUser, 0)
		asked = commandUser{user.user(), user.place()}
	}
	if sshd := p.runningSSHD(); sshd != "" {
		// It knows better, if it starts at all.
		if settings, err := effectiveSettings(sshd); err == nil && readsConfigFolder(settings.Command()) {
			asked = commandUser{settings.CommandUser(), sshd + " -T"}
		}
	}
	for _, s := range settings {
		command, found := effective(settings, keysCommand, s.block)
		if !s.inMatch() || !found || !readsConfigFolder(command.value) || p.isOurs(command) {
			continue
		}
		user, _ := effective(settings, keysCommandUser, s.block)
		name := user.user()
		switch {
		case name == "" || name == asked.name:
		case asked.name == "":
			asked = commandUser{name, user.place()}
		default:
			return asked, commandUser{name, user.place()}.refuse(", and elsewhere as " + asked.name + ": expected one user, who alone can read the rules")
		}
	}
	return asked, nil
}

// readsConfigFolder is whether a command asks the verifier about what is in /etc/opk: with --config-dir it may be another folder's.
func readsConfigFolder(command string) bool {
	if !asksVerifier(command) {
		return false
	}
	words, err := policy.SplitCommand(command)
	if err != nil {
		return true
	}
	for i, word := range words {
		folder, ok := strings.CutPrefix(word, "--config-dir=")
		if word == "--config-dir" && i+1 < len(words) {
			folder, ok = words[i+1], true
		}
		if ok && path.Clean(folder) != configFolder {
			return false
		}
	}
	return true
}

// refuse says what is wrong with a user whom sshd_config names.
func (u commandUser) refuse(why string) error {
	return &Refusal{
		Path: u.place, Detail: "sshd asks the verifier as " + u.name + why,
		Hint: fmt.Sprintf("let AuthorizedKeysCommandUser be %s there, whom this makes, run this again, and make sshd read its configuration", policies.UserName),
	}
}

// account finds the user whom sshd_config names. It is the administrator's: nobody makes it here.
func (u commandUser) account(h *host) (account, error) {
	if !plainName.MatchString(u.name) {
		return account{}, u.refuse(": expected a name that sudo and systemd read as it stands")
	}
	passwd, err := h.readFile(passwdFile)
	if err != nil {
		return account{}, err
	}
	line, found, err := h.findEntry("passwd", passwd, u.name)
	if err != nil {
		return account{}, err
	}
	if !found {
		return account{}, u.refuse(", and there is no such user")
	}
	a, err := userIDs(line)
	switch {
	case err != nil:
	case a.uid == 0:
		err = u.refuse(", who is root: expected a user without rights")
	case u.name == "nobody":
		err = u.refuse(", as whom other services run, too: expected a user of its own, whose files nobody else can write")
	}
	a.name = u.name
	if columns := strings.Split(line, ":"); len(columns) > shellColumn {
		a.shell = columns[shellColumn]
	}
	return a, err
}

const shellColumn = 6

// remarkShell is about a user whom somebody can log in as: it could write the providers' keys, and read home rules by sudo.
func (p *Plan) remarkShell(a account) {
	if shell := path.Base(a.shell); shell != "nologin" && shell != "false" {
		p.remark("warning: %s, as whom sshd asks the verifier, has the shell %s: whoever logs in as %s decides who gets in. "+
			"Take a user without one: usermod --shell /usr/sbin/nologin %s", a.name, cmp.Or(a.shell, "/bin/sh"), a.name, a.name)
	}
}

// remarkOtherUsers names Match blocks in which sshd asks the verifier as somebody who cannot read what it reads.
func (p *Plan) remarkOtherUsers(settings []sshdSetting) {
	for _, s := range settings {
		if _, command := find(settings, keysCommand, s.block); s.keyword != keysCommandUser || !s.inMatch() || command || s.user() == p.user {
			continue
		}
		p.remark("%s: in this Match block AuthorizedKeysCommandUser is %s, and %s alone can read what the verifier reads: take the line out",
			s.place(), cmp.Or(s.user(), "none"), p.user)
	}
}
