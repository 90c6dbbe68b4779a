//go:build linux

package installer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

const (
	blockBegin = "# begin of what verifier install wrote\n"
	blockEnd   = "# end of what verifier install wrote\n"
)

// planSSHD plans to make sshd ask the verifier: by a file in sshd_config.d, or, where sshd_config includes none, by lines at its top.
func (p *Plan) planSSHD(program string, o Options) error {
	main := p.host.firstOf(sshdConfig, "/usr/etc/ssh/sshd_config")
	if main == "" {
		return &Refusal{Path: sshdConfig, Detail: "expected the configuration of sshd, got no such file", Hint: "install the OpenSSH server first"}
	}
	text := p.sshdText(program)
	asked, err := p.checkOthers(main, program, o)
	if err != nil || asked {
		return err
	}
	reader := &sshdReader{host: p.host, planned: map[string]string{dropIn: text}}
	if err := reader.read(main, false, 0); err != nil {
		return err
	}
	included, before := false, (*sshdSetting)(nil)
	for _, s := range reader.settings {
		if s.match {
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
	steps := len(p.Steps)
	switch {
	case included && before != nil:
		return &Refusal{
			Path: before.place(), Detail: "stands before " + dropIn + ", and the first line of a keyword counts",
			Hint: "take the line out, or move it behind the Include",
		}
	case included:
		err = p.planFile(dropIn, text, owner{mode: 0o644}, "sshd asks the verifier about keys", false)
	case main != sshdConfig:
		return &Refusal{Path: main, Detail: "includes no " + dropInFolder, Hint: "copy it to " + sshdConfig}
	default:
		err = p.planBlock(blockBegin + text + blockEnd)
	}
	if err != nil || len(p.Steps) == steps {
		return err
	}
	return p.planSSHDReload(steps, !o.NoReload)
}

// sshdText is what sshd_config gets. With %C, which OpenSSH knows since 9.4, the log and plugins have the client's address; an older
// sshd would let nobody in by it.
func (p *Plan) sshdText(programPath string) string {
	text := hostFile("sshd.conf", programPath)
	sshd := program("sshd")
	if p.host.image() || sshd == "" {
		return text
	}
	output, _ := runProgram(sshd, "-V") // old versions end with an error
	if version, known := ParseSSHDVersion(output); known && !version.Before(9, 4) {
		text = strings.ReplaceAll(text, "%u %k %t", "%u %k %t %C")
	}
	return text
}

// checkOthers looks for commands that sshd asks already. Only one can be asked: another one's users must not be locked out by ours.
func (p *Plan) checkOthers(main, program string, o Options) (asked bool, err error) {
	reader := &sshdReader{host: p.host}
	if err := reader.read(main, false, 0); err != nil {
		return false, err
	}
	for _, s := range reader.settings {
		_, ours := p.before.find(madeFile, s.file)
		if s.keyword != "authorizedkeyscommand" || isNone(s.value) || ours || p.inBlock(s) {
			continue
		}
		switch {
		case s.match && asksVerifier(s.value):
			p.remarkOtherProgram(s, program, o)
		case s.match:
			p.remark("%s: in this Match block sshd asks %s, and not the verifier", s.place(), s.value)
		case asksVerifier(s.value):
			if !p.remarkOtherProgram(s, program, o) {
				p.remark("%s: sshd asks the verifier already: left as it is", s.place())
			}
			return true, nil
		default:
			return false, &Refusal{
				Path: s.place(), Detail: "sshd asks another AuthorizedKeysCommand, and has room for one: " + s.value,
				Hint: fmt.Sprintf("take the line out, and let the verifier ask that command, in %s: chain: ['%s']", configFile, strings.Trim(s.value, `"`)),
			}
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

// inBlock is whether a line of sshd_config stands between our marks.
func (p *Plan) inBlock(s sshdSetting) bool {
	if _, ours := p.before.find(madeBlock, s.file); !ours {
		return false
	}
	data, err := p.host.readFile(s.file)
	if err != nil {
		return false
	}
	start, end, ok := findBlock(data)
	if !ok {
		return false
	}
	first := bytes.Count(data[:start], []byte("\n")) + 1
	return s.line >= first && s.line < first+bytes.Count(data[start:end], []byte("\n"))
}

func findBlock(data []byte) (start, end int, ok bool) {
	start = bytes.Index(data, []byte(blockBegin))
	if start < 0 {
		return 0, 0, false
	}
	length := bytes.Index(data[start:], []byte(blockEnd))
	if length < 0 {
		return 0, 0, false
	}
	return start, start + length + len(blockEnd), true
}

// withoutBlock leaves everything else as it is.
func withoutBlock(data []byte) []byte {
	start, end, ok := findBlock(data)
	if !ok {
		return data
	}
	return append(bytes.Clone(data[:start]), data[end:]...)
}

// planBlock plans lines at the top of sshd_config: behind a Match they would be that block's.
func (p *Plan) planBlock(block string) error {
	data, err := p.host.readFile(sshdConfig)
	if err != nil {
		return err
	}
	start, end, found := findBlock(data)
	switch {
	case found && string(data[start:end]) == block:
		return nil
	case found:
		if e, ours := p.before.find(madeBlock, sshdConfig); !ours || e.Value != fingerprint(data[start:end]) {
			p.remark("%s: kept: what verifier install wrote there was changed since", sshdConfig)
			return nil
		}
	}
	p.after.set(entry{Kind: madeBlock, Path: sshdConfig, Value: fingerprint([]byte(block))})
	p.add("change", sshdConfig, "sshd asks the verifier about keys; the file includes no other", func() (func() error, error) {
		return p.host.editFile(sshdConfig, func(old []byte) ([]byte, error) { return append([]byte(block), withoutBlock(old)...), nil })
	})
	return nil
}

// planRemoveBlock plans to take our lines out of sshd_config.
func (p *Plan) planRemoveBlock(e entry, purge bool) error {
	data, err := p.host.readFile(e.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	start, end, found := findBlock(data)
	if !found {
		if bytes.Contains(data, []byte(blockBegin)) {
			return &Refusal{Path: e.Path, Detail: "the lines of verifier install have no end", Hint: "take them out by hand, then run this again"}
		}
		return nil
	}
	if fingerprint(data[start:end]) != e.Value && !purge {
		return changedSSHD(e.Path)
	}
	p.add("change", e.Path, "sshd does not ask the verifier any more", func() (func() error, error) {
		return p.host.editFile(e.Path, func(old []byte) ([]byte, error) { return withoutBlock(old), nil })
	})
	return nil
}

func changedSSHD(path string) error {
	return &Refusal{
		Path: path, Detail: "what verifier install wrote was changed since, and sshd would go on to ask a verifier that is gone",
		Hint: "put it back as it was, or add --purge",
	}
}

// planSSHDReload plans that sshd reads its configuration, which the steps from first on have changed. sshd is asked first, now and
// then, whether it would start: one that does not would lock everybody out.
func (p *Plan) planSSHDReload(first int, reload bool) error {
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
