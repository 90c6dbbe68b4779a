//go:build linux

package installer

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"opkssh/internal/sshdsettings"
)

// checkKept refuses a host that is left as it is, and where sshd does not ask the verifier: place would have to make it ask.
func (p *Plan) checkKept(main, place string) error {
	settings, err := p.readSSHD(main, nil)
	if err != nil {
		return err
	}
	if command, found := find(settings, keysCommand, 0); found && asksVerifier(command.value) {
		return nil
	}
	refusal := &Refusal{
		Path: place, Detail: "this is not what verifier install writes there, and sshd does not ask the verifier",
		Hint: "move it away, then run this again",
	}
	if place == sshdConfig {
		refusal.Hint = "take out the lines from " + blockBegin + " to " + blockEnd + ", then run this again"
	}
	return refusal
}

// runningSSHD is the sshd that can be asked, or "": nothing of an image is run.
func (p *Plan) runningSSHD() string {
	if p.host.image() {
		return ""
	}
	return program("sshd")
}

// checkUnread refuses where sshd asks another command already, by a file that it reads and that is not read here.
func (p *Plan) checkUnread() error {
	sshd := p.runningSSHD()
	if sshd == "" {
		return nil
	}
	settings, err := effectiveSettings(sshd)
	if command := settings.Command(); err == nil && command != "" && !asksVerifier(command) {
		return asksAnother(sshd+" -T", command)
	}
	return nil // whether sshd starts at all is asked anyway
}

// confirmAskedNow is confirmAsked for a configuration that no step changes.
func (p *Plan) confirmAskedNow() error {
	if sshd := p.runningSSHD(); sshd != "" {
		return p.confirmAsked(sshd)
	}
	return nil
}

// confirmAsked lets sshd have the last word: what it reads may be less, or other, than what is read here.
func (p *Plan) confirmAsked(sshd string) error {
	settings, err := effectiveSettings(sshd)
	if err != nil {
		p.remark("whether sshd asks the verifier could not be seen: %v", err)
		return nil
	}
	if asksVerifier(settings.Command()) {
		return nil
	}
	return &Refusal{
		Path: sshd + " -T", Detail: "sshd does not ask the verifier: expected verifier verify as AuthorizedKeysCommand, got " + cmp.Or(settings.Command(), "none"),
		Hint: "see which files sshd reads, by the Include lines of " + sshdConfig + ", and which of them comes first",
	}
}

// confirmForgotten is confirmAsked for what goes.
func (p *Plan) confirmForgotten(sshd string) error {
	settings, err := effectiveSettings(sshd)
	if err != nil {
		p.remark("whether sshd still asks the verifier could not be seen: %v", err)
		return nil
	}
	for _, keyword := range []string{keysCommand, keysCommandUser, principalsCommand, principalsCommandUser} {
		if use := p.usesRemoved(sshdSetting{keyword: keyword, value: settings.First(keyword)}); use != "" {
			return &Refusal{Path: sshd + " -T", Detail: use, Hint: "see which files sshd reads, by the Include lines of " + sshdConfig}
		}
	}
	return nil
}

// confirmForgottenNow is confirmForgotten for a configuration that no step changes.
func (p *Plan) confirmForgottenNow() error {
	sshd := p.runningSSHD()
	changes := slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Path == dropIn || s.Path == sshdConfig })
	if sshd == "" || changes || len(p.Steps) == 0 {
		return nil
	}
	return p.confirmForgotten(sshd)
}

// effectiveSettings are those of logins that no Match block is about.
func effectiveSettings(sshd string) (sshdsettings.Settings, error) {
	return sshdsettings.Read(context.Background(), sshdsettings.Query{Program: sshd})
}

// checkForgotten refuses to remove what sshd would go on to use, by lines that are not ours: they may have been ours before somebody
// moved them.
func (p *Plan) checkForgotten() error {
	settings, err := p.settingsWithoutOurs()
	if err != nil {
		return err
	}
	var uses []string
	for _, s := range settings {
		if use := p.usesRemoved(s); use != "" {
			uses = append(uses, s.place()+": "+use)
		}
	}
	if len(uses) == 0 {
		return p.confirmForgottenNow()
	}
	place, rest, _ := strings.Cut(strings.Join(uses, "; "), ": ")
	return &Refusal{
		Path: place, Detail: rest,
		Hint: "take out each such command with the line of its user, see that sshd -t says nothing, then run this again",
	}
}

// settingsWithoutOurs is what stays in sshd's configuration when what installations have written there goes.
func (p *Plan) settingsWithoutOurs() ([]sshdSetting, error) {
	main := p.host.sshdConfig()
	if main == "" {
		return nil, nil
	}
	planned := map[string]string{}
	for _, e := range p.before.Made {
		switch {
		case !e.isSSHD():
		case e.Kind == madeFile:
			planned[e.Path] = ""
		default:
			data, err := p.host.readFile(e.Path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			planned[e.Path] = string(withoutBlock(data))
		}
	}
	return p.readSSHD(main, planned)
}

// usesRemoved says what of the plan's removals a line of sshd_config uses, or "".
func (p *Plan) usesRemoved(s sshdSetting) string {
	switch s.keyword {
	case keysCommand, principalsCommand:
		if words := strings.Fields(strings.Trim(s.value, `"`)); len(words) > 0 && p.removesProgram(words[0]) {
			return "sshd would go on to ask " + words[0] + ", which goes"
		}
		if program := s.askedVerifier(); program != "" && p.host.firstOf(program) != "" {
			if needed := p.removesNeeded(); needed != "" {
				return "sshd would go on to ask " + program + ", which needs " + needed + ", which goes"
			}
		}
	case keysCommandUser, principalsCommandUser:
		if user := s.user(); p.removes(string(madeUser) + " " + user) {
			return "sshd would go on to run a command as " + user + ", who goes"
		}
	}
	return ""
}

// removesProgram is whether a step of the plan removes what name leads to, or a folder with it.
func (p *Plan) removesProgram(name string) bool {
	target, err := p.host.follow(name)
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		if s.Action != "remove" || !path.IsAbs(s.Path) {
			return false
		}
		if s.Path == path.Clean(name) {
			return true
		}
		removed, pathErr := p.host.path(s.Path)
		return err == nil && pathErr == nil && within(target, removed)
	})
}
