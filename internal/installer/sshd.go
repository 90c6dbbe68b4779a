//go:build linux

package installer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/internal/sshdsettings"
	"opkssh/pkg/policy"
)

// planSSHD plans to make sshd ask the verifier: by a file in sshd_config.d, or, where sshd_config includes none, by lines at its top.
func (p *Plan) planSSHD(program string, o Options) error {
	main := p.host.sshdConfig()
	if main == "" {
		return &Refusal{Path: sshdConfig, Detail: "expected the configuration of sshd, got no such file", Hint: "install the OpenSSH server first"}
	}
	text := p.sshdText(program)
	asked, err := p.checkOthers(main, program, o)
	if err != nil {
		return err
	}
	if asked {
		return p.confirmAskedNow()
	}
	settings, err := p.readSSHD(main, map[string]string{dropIn: text})
	if err != nil {
		return err
	}
	included, before := false, (*sshdSetting)(nil)
	for _, s := range settings {
		if s.inMatch() || s.keyword != keysCommand && s.keyword != keysCommandUser {
			continue
		}
		if s.file == dropIn {
			included = true
			break
		}
		if before == nil && !p.inBlock(s) {
			before = &s
		}
	}
	steps, place := len(p.Steps), dropIn
	switch {
	case included && before != nil:
		return standsBefore(*before, dropIn)
	case included:
		err = p.planFile(dropIn, text, owner{mode: 0o644}, "sshd asks the verifier about keys", false)
	case main != sshdConfig:
		return &Refusal{Path: main, Detail: "includes no " + dropInFolder, Hint: "copy it to " + sshdConfig}
	default:
		place = sshdConfig
		err = p.planBlock(text)
	}
	if err != nil {
		return err
	}
	if len(p.Steps) == steps {
		if err := p.checkKept(main, place); err != nil {
			return err
		}
		return p.confirmAskedNow()
	}
	if err := p.checkUnread(); err != nil {
		return err
	}
	return p.planSSHDReload(steps, !o.NoReload, "sshd asks the verifier now, or all is taken back", p.confirmAsked)
}

func asksAnother(place, command string) error {
	return &Refusal{
		Path: place, Detail: "sshd asks another AuthorizedKeysCommand, and has room for one: " + command,
		Hint: fmt.Sprintf("take the line out, and let the verifier ask that command, in %s: chain: ['%s']", configFile, strings.Trim(command, `"`)),
	}
}

func standsBefore(s sshdSetting, file string) error {
	return &Refusal{
		Path: s.place(), Detail: "stands before " + file + ", and the first line of a keyword counts",
		Hint: "take the line out, or move it behind the Include",
	}
}

// sshdText is what sshd_config gets. With %C, which OpenSSH knows since 9.4, the log and plugins have the client's address; an older
// sshd would let nobody in by it.
func (p *Plan) sshdText(programPath string) string {
	text := hostFile("sshd.conf", programPath, p.user)
	sshd := p.runningSSHD()
	if sshd == "" {
		return text
	}
	if version, known := sshdsettings.ReadVersion(context.Background(), sshd); known && !version.Before(9, 4) {
		text = strings.ReplaceAll(text, "%u %k %t", "%u %k %t %C")
	}
	return text
}

// checkOthers looks for commands that sshd asks already. Only one can be asked: another one's users must not be locked out by ours.
func (p *Plan) checkOthers(main, program string, o Options) (asked bool, err error) {
	settings, err := p.readSSHD(main, nil)
	if err != nil {
		return false, err
	}
	p.remarkOtherUsers(settings)
	var none *sshdSetting
	for _, s := range settings {
		if s.keyword != keysCommand || p.isOurs(s) {
			continue
		}
		switch {
		case isNone(s.value):
			if none == nil && !s.inMatch() {
				none = &s
			}
		case s.inMatch() && asksVerifier(s.value):
			p.remarkOtherProgram(s, program, o)
		case s.inMatch():
			p.remark("%s: in this Match block sshd asks %s, and not the verifier", s.place(), s.value)
		case asksVerifier(s.value) && none != nil:
			return false, standsBefore(*none, s.file)
		case asksVerifier(s.value):
			if !p.remarkOtherProgram(s, program, o) {
				p.remark("%s: sshd asks the verifier already: left as it is", s.place())
			}
			return true, nil
		default:
			return false, asksAnother(s.place(), s.value)
		}
	}
	return false, nil
}

// remarkOtherProgram says that sshd asks a verifier, and that it is not the one that is installed here: another one decides, and what
// this one's commands write may mean nothing to it. program is the path that this one has on the host.
func (p *Plan) remarkOtherProgram(s sshdSetting, program string, o Options) bool {
	words, err := policy.SplitCommand(s.value)
	if err != nil || len(words) == 0 || words[0] == program {
		return false
	}
	path := words[0]
	other, err := p.otherProgram(path, o)
	switch {
	case err != nil:
		p.remark("%s: sshd asks %s, which cannot be looked at: %v", s.place(), path, err)
	case other == "":
		return false
	default:
		p.remark("%s: sshd goes on to ask %s, which is %s: it decides who logs in, and not this one", s.place(), path, other)
	}
	p.remark("hint: %s", ReplaceHint(path))
	return true
}

// otherProgram describes the host's program at path, or is "" where it is the one to install. It is run only where root alone could have
// written it, and nothing of an image is.
func (p *Plan) otherProgram(path string, o Options) (string, error) {
	theirs, err := p.host.readRegular(path)
	if err != nil {
		return "", err
	}
	ours, err := os.ReadFile(o.Program)
	if err != nil || bytes.Equal(ours, theirs) {
		return "", err
	}
	var version ProgramVersion
	if !p.host.image() {
		if resolved, err := hostfiles.SystemProgram(path); err == nil {
			output, _ := runProgram(resolved, "--version")
			version = ParseProgramVersion(output)
		}
	}
	if version.Is(o.Version) {
		return "", nil
	}
	return version.Other(), nil
}

// planSSHDReload plans that sshd reads its configuration, which the steps from first on have changed. sshd is asked first, now and
// then, whether it would start: one that does not would lock everybody out. Then confirm looks at what sshd makes of it.
func (p *Plan) planSSHDReload(first int, reload bool, reason string, confirm func(sshd string) error) error {
	if p.host.image() {
		return nil
	}
	sshd := program("sshd")
	if sshd == "" {
		p.remark("sshd is in none of its usual places: its configuration was not checked")
		return nil
	}
	if _, err := runProgram(sshd, "-t"); err != nil {
		refusal := &Refusal{Path: sshd + " -t", Detail: "sshd would not start, without any change of ours: " + err.Error(), Hint: "mend that first; if sshd has not been started since boot: systemctl start ssh"}
		if reload {
			return refusal
		}
		p.remark("%s", refusal)
		return nil
	}
	p.add("run", sshd+" -t", "a configuration with which sshd would not start is taken back", func() (func() error, error) {
		_, err := runProgram(sshd, "-t")
		return nil, err
	})
	p.add("run", sshd+" -T", reason, func() (func() error, error) { return nil, confirm(sshd) })
	if !reload {
		p.remark("sshd was not told to read its configuration: --no-reload")
		return nil
	}
	systemctl, unit := sshdUnit()
	if unit == "" {
		p.remark("no running service ssh or sshd of systemd: make sshd read its configuration, such as by: kill -HUP $(cat /run/sshd.pid)")
		return nil
	}
	tell := func() error {
		_, err := runProgram(systemctl, "reload", unit)
		return err
	}
	told := false
	// Whatever fails later: once the configuration is as it was, sshd has to know.
	change := p.Steps[first].do
	p.Steps[first].do = func() (func() error, error) {
		undo, err := change()
		if err != nil || undo == nil {
			return undo, err
		}
		return func() error {
			if err := undo(); err != nil || !told {
				return err
			}
			return tell()
		}, nil
	}
	p.add("run", "systemctl reload "+unit, "sshd reads its configuration; connections stay", func() (func() error, error) {
		told = true
		return nil, tell()
	})
	return nil
}

// sshdUnit finds the running service, by either of its names.
func sshdUnit() (systemctl, unit string) {
	if systemctl = runningSystemd(); systemctl == "" {
		return "", ""
	}
	for _, unit := range []string{"ssh.service", "sshd.service"} {
		if _, err := runProgram(systemctl, "is-active", "--quiet", unit); err == nil {
			return systemctl, unit
		}
	}
	return systemctl, ""
}

// runningSystemd gives systemctl's path where systemd runs this system (sd_booted(3)), or "".
func runningSystemd() string {
	if info, err := os.Lstat("/run/systemd/system"); err != nil || !info.IsDir() {
		return ""
	}
	return program("systemctl")
}
