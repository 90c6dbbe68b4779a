//go:build linux

package installer

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"opkssh/policies"
)

// within is whether name is a folder, or below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// otherVerifier is a verifier that stays, and that sshd goes on to ask by a line that stays.
type otherVerifier struct {
	sshdSetting
	user string // as whom sshd runs it
}

// otherVerifier finds one, or nil. An installation leaves such a line as it is, and that program, often an older one, has had our files since.
func (p *Plan) otherVerifier() (*otherVerifier, error) {
	settings, err := p.settingsWithoutOurs()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(settings, func(s sshdSetting) bool {
		program := s.askedVerifier()
		return program != "" && p.host.firstOf(program) != "" && !p.made(program)
	})
	if i < 0 {
		return nil, nil
	}
	user, _ := effective(settings, keysCommandUser, settings[i].block)
	return &otherVerifier{settings[i], cmp.Or(user.user(), policies.UserName)}, nil
}

// made is whether an installation has put the program at name there.
func (p *Plan) made(name string) bool {
	target, err := p.host.follow(name)
	return slices.ContainsFunc(p.before.Made, func(e entry) bool {
		made, pathErr := p.host.path(e.Path)
		return e.Kind == madeFile && err == nil && pathErr == nil && target == made
	})
}

// neededBy is whether a verifier that sshd goes on to ask would refuse somebody without e.
func (e entry) neededBy(other *otherVerifier) bool {
	switch e.Kind {
	case madeUser, madeGroup, madeModule, madeCache:
		return true
	case madeFolder:
		return within(e.Path, configFolder) || within(cacheFolder, e.Path)
	case madeFile:
		return within(e.Path, configFolder) || e.Path == sudoersFile && e.Value == fingerprint([]byte(hostFile("sudoers", other.askedVerifier(), other.user)))
	default:
		return false
	}
}

// name is what a step that removes e calls it.
func (e entry) name() string {
	if path.IsAbs(e.Path) {
		return e.Path
	}
	return string(e.Kind) + " " + e.Path
}

// remarkKept says what stays for another verifier, and until when.
func (p *Plan) remarkKept(other *otherVerifier, kept []string) {
	if len(kept) == 0 {
		return
	}
	p.remark("%s: sshd goes on to ask %s, which needs what is kept: %s", other.place(), other.askedVerifier(), strings.Join(kept, ", "))
	p.remark("hint: to remove that, too, take out the line with its AuthorizedKeysCommandUser, and run this again: then it lets nobody in")
}

// removesNeeded is the first that the plan removes of what every verifier reads, or "".
func (p *Plan) removesNeeded() string {
	account := []string{string(madeUser) + " " + policies.UserName, string(madeGroup) + " " + policies.UserName}
	i := slices.IndexFunc(p.Steps, func(s Step) bool {
		return s.Action == "remove" && (within(s.Path, configFolder) || s.Path == cacheFolder || slices.Contains(account, s.Path))
	})
	if i < 0 {
		return ""
	}
	return p.Steps[i].Path
}
