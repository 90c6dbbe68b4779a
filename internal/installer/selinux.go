//go:build linux

package installer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"opkssh/policies"
)

const selinuxModule = "opkssh"

// planSELinux plans a policy module where SELinux is: sshd may not reach the providers without it. An image gets it when it runs.
func (p *Plan) planSELinux() error {
	if p.host.image() {
		if p.host.firstOf("/etc/selinux/config") != "" {
			p.remark("SELinux: its module is not loaded into an image: run verifier install once more where the image runs")
		}
		return nil
	}
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err != nil {
		return nil
	}
	tools := map[string]string{}
	for _, name := range []string{"checkmodule", "semodule_package", "semodule", "restorecon"} {
		if tools[name] = program(name); tools[name] == "" {
			p.remark("SELinux: no %s: install checkpolicy and policycoreutils, and run this again, or sshd cannot ask the providers", name)
			return nil
		}
	}
	te, fc := policies.HostFile("opkssh.te"), policies.HostFile("opkssh.fc")
	value := fingerprint([]byte(te + fc))
	loaded, err := runProgram(tools["semodule"], "-l")
	if err != nil {
		return err
	}
	there := false
	for line := range strings.Lines(loaded) {
		// Older ones print the version behind the name.
		if words := strings.Fields(line); len(words) > 0 && words[0] == selinuxModule {
			there = true
		}
	}
	e, ours := p.before.find(madeModule, selinuxModule)
	switch {
	case there && !ours:
		p.remark("SELinux: the module %s is there and stays as it is", selinuxModule)
		return nil
	case there && e.Value == value:
		return nil
	}
	p.after.set(entry{Kind: madeModule, Path: selinuxModule, Value: value})
	p.add("run", "semodule -i "+selinuxModule+".pp", "sshd may reach the providers, and the verifier its cache", func() (func() error, error) {
		if err := loadModule(tools, te, fc); err != nil {
			return nil, err
		}
		return func() error {
			_, err := runProgram(tools["semodule"], "-r", selinuxModule)
			return err
		}, nil
	})
	p.add("run", "restorecon -R "+cacheFolder, "the cache gets its label", func() (func() error, error) {
		_, err := runProgram(tools["restorecon"], "-R", cacheFolder)
		return nil, err
	})
	return nil
}

// loadModule builds the module, since a built one fits the system that built it only, and loads it.
func loadModule(tools map[string]string, te, fc string) (err error) {
	folder, err := os.MkdirTemp("", "opkssh-selinux")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	at := func(ending string) string { return filepath.Join(folder, selinuxModule+ending) }
	if err := os.WriteFile(at(".te"), []byte(te), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(at(".fc"), []byte(fc), 0o600); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"checkmodule", "-M", "-m", "-o", at(".mod"), at(".te")},
		{"semodule_package", "-o", at(".pp"), "-m", at(".mod"), "-f", at(".fc")},
		{"semodule", "-i", at(".pp")},
	} {
		if _, err := runProgram(tools[command[0]], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// planRemoveModule plans to unload the module.
func (p *Plan) planRemoveModule(e entry) {
	semodule := program("semodule")
	if p.host.image() || semodule == "" {
		p.remark("SELinux: the module %s stays: no semodule", e.Path)
		return
	}
	p.add("run", "semodule -r "+e.Path, "sshd needs it no more", func() (func() error, error) {
		_, err := runProgram(semodule, "-r", e.Path)
		return nil, err
	})
}
