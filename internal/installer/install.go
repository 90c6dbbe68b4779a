//go:build linux

package installer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
	"opkssh/policies"
)

const (
	configFolder = "/etc/opk"
	configFile   = configFolder + "/config.yml"
	cacheFolder  = "/var/cache/opkssh"
	programsIn   = "/usr/local/bin"
	sudoersFile  = "/etc/sudoers.d/opkssh"
)

// Options say what to install, and where.
type Options struct {
	Root     string // folder with the image of a system; "" or / for the running one
	Program  string // path of the program to install, verifier or opkssh, as this process sees it
	Version  string // what that program says of itself, behind its name
	NoReload bool   // leave a running sshd alone
	Purge    bool   // on uninstalling, remove what was changed since, too, and all of /etc/opk
}

// hostFile is a file of package policies, for a host that has the verifier elsewhere, or runs it as another user.
func hostFile(name, program, user string) string {
	text := strings.ReplaceAll(policies.HostFile(name), policies.ProgramPath, program)
	if user != policies.UserName {
		// That one's group has a name of its own, and is the one that systemd takes then.
		text = strings.ReplaceAll(text, "Group="+policies.UserName+"\n", "")
	}
	return strings.ReplaceAll(text, policies.UserName, user)
}

func openHost(root string) (*host, error) {
	if root == "" {
		return &host{root: "/"}, nil
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if absolute, err = filepath.EvalSymlinks(absolute); err != nil {
		return nil, err
	}
	h := &host{root: absolute}
	if _, err := h.lstat(passwdFile); err != nil {
		return nil, &Refusal{Path: absolute, Detail: "expected a system with " + passwdFile + ", got none"}
	}
	return h, nil
}

func newPlan(o Options) (*Plan, error) {
	h, err := openHost(o.Root)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, &Refusal{Path: "verifier", Detail: "expected to run as root", Hint: "run it with sudo"}
	}
	unlock, err := h.lock()
	if err != nil {
		return nil, err
	}
	before, err := h.readManifest()
	if err != nil {
		unlock()
		return nil, err
	}
	return &Plan{host: h, before: before, after: before.clone(), listed: before, unlock: unlock}, nil
}

// lock keeps two installations from working on one host.
func (h *host) lock() (unlock func(), err error) {
	const folder = "/var/lib"
	// What was made is written down there, too.
	if err := h.checkFolder(folder); err != nil {
		return nil, err
	}
	path, err := h.follow(folder)
	if err != nil {
		return nil, err
	}
	unlock, err = hostfiles.Lock(filepath.Join(path, "opkssh"), 0)
	switch {
	case errors.Is(err, hostfiles.ErrBusy):
		return nil, &Refusal{Path: folder, Detail: "another verifier is installing on this host", Hint: "wait for its end"}
	case errors.Is(err, unix.EROFS):
		// Nobody can change anything there. What would be done can be said.
		return func() {}, nil
	}
	return unlock, err
}

// checkFolder refuses a folder that others than root could write to, or replace.
func (h *host) checkFolder(name string) error {
	err := hostfiles.CheckSystemIn(h.root, name)
	var fault *hostfiles.Fault
	if !errors.As(err, &fault) {
		return err
	}
	refusal := &Refusal{Path: fault.Path, Detail: fmt.Sprintf("%s: expected %s, got %s", fault.Detail, fault.Expected, fault.Got), Hint: fault.Hint}
	if h.image() {
		// No command: names in an image may be somebody's to change.
		refusal.Hint = "the folders of a system belong to root, and nobody else may write them: unpack the image as root"
	}
	return refusal
}

// PlanInstall looks at a host and says what is missing for logins by the verifier. A host that has everything needs no step. What is
// there and was not made by an installation stays as it is. The error is a [*Refusal] where the administrator has to decide
// something first, such as what becomes of another AuthorizedKeysCommand.
func PlanInstall(o Options) (*Plan, error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	if err := p.planInstall(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Plan) planInstall(o Options) error {
	if p.host.exists("/etc/NIXOS") {
		return &Refusal{Path: "/etc/NIXOS", Detail: "this system is written by Nix", Hint: "import policies/nixos/module.nix"}
	}
	a, err := p.planAccount()
	if err != nil {
		return err
	}
	program, err := p.planProgram(o.Program)
	if err != nil {
		return err
	}
	config, err := p.hostConfig()
	if err != nil {
		return err
	}
	p.remarkPermissions(a)
	for _, plan := range []func() error{
		func() error { return p.planConfig(a) },
		func() error { p.planCache(a); return nil },
		func() error { return p.planSudoers(program, config.HomePolicy) },
		p.planSELinux,
		func() error { return p.planTimer(program) },
		// The last: from here on the host lets people in.
		func() error { return p.planSSHD(program, o) },
	} {
		if err := plan(); err != nil {
			return err
		}
	}
	return nil
}

// planProgram plans to copy the running program to the host, if it is not there already, and gives the path by which sshd runs it.
func (p *Plan) planProgram(source string) (string, error) {
	name := "verifier"
	if filepath.Base(source) == "opkssh" {
		name = "opkssh"
	}
	target := path.Join(programsIn, name)
	folder := programsIn
	for !p.host.exists(folder) {
		folder = path.Dir(folder)
	}
	if err := p.host.checkFolder(folder); err != nil {
		return "", err
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	old, err := p.host.readRegular(target)
	switch {
	case err == nil && bytes.Equal(old, data):
		// The same bytes are not enough: whoever else can write it decides what runs as root by sudo, and as the verifier.
		if _, err := hostfiles.SystemProgramIn(p.host.root, target); err != nil {
			p.add("replace", target, fmt.Sprintf("as it is, it must not be run: %v", err), p.host.write(target, data, owner{mode: 0o755}, fingerprint(old)))
		}
		return target, nil
	case err == nil:
		if _, ours := p.before.find(madeFile, target); !ours {
			// Not where a link there leads: that may be somebody's to change.
			place, err := p.host.path(target)
			if err != nil {
				return "", err
			}
			return "", &Refusal{
				Path: target, Detail: "another program, or another version, is there, which verifier install has not put there",
				Hint: fmt.Sprintf("replace it: install -m 755 %s %s", source, place),
			}
		}
		p.after.set(entry{Kind: madeFile, Path: target, Value: fingerprint(data)})
		p.add("replace", target, "this is another version", p.host.write(target, data, owner{mode: 0o755}, fingerprint(old)))
		return target, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	p.planFolders(programsIn)
	p.after.set(entry{Kind: madeFile, Path: target, Value: fingerprint(data)})
	p.add("create", target, "the program that sshd asks", p.host.write(target, data, owner{mode: 0o755}, ""))
	return target, nil
}

// hostConfig is the config.yml that the host has or gets.
func (p *Plan) hostConfig() (*policy.Config, error) {
	data, err := p.host.readFile(configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return policy.DefaultConfig(), nil
	}
	if err != nil {
		return nil, err
	}
	config, err := policy.ParseConfig(configFile, data)
	var wrong *policy.ConfigError
	if errors.As(err, &wrong) {
		return nil, &Refusal{
			Path: strings.TrimSuffix(wrong.Error(), ": "+wrong.Detail), Detail: wrong.Detail, Hint: "mend it first: it denies every login",
		}
	}
	if err != nil {
		return nil, err
	}
	return config, nil
}

// planConfig plans the rules' folder with files that let nobody in.
func (p *Plan) planConfig(a account) error {
	p.planFolder(configFolder, owner{0, a.gid, 0o750}, madeFolder, "the host's rules, which root writes and the verifier reads")
	for _, file := range []struct{ name, reason string }{
		{"providers", "which providers are believed: the public ones"},
		{"auth_id", "who may log in as whom: nobody yet"},
		{"config.yml", "how the host decides: all defaults"},
	} {
		if err := p.planFile(path.Join(configFolder, file.name), policies.HostFile(file.name), owner{0, a.gid, 0o640}, file.reason, true); err != nil {
			return err
		}
	}
	return nil
}

// planCache plans the one folder that the verifier writes to.
func (p *Plan) planCache(a account) {
	p.planFolders(path.Dir(cacheFolder))
	p.planFolder(cacheFolder, owner{a.uid, a.gid, 0o700}, madeCache, "the providers' keys, so that a login asks nobody")
}

// remarkPermissions says what of the files that are there already a login could not use.
func (p *Plan) remarkPermissions(a account) {
	if p.host.image() {
		return
	}
	layout := hostfiles.Layout{ConfigDir: configFolder, CacheDir: cacheFolder, User: &hostfiles.Account{
		Name: a.name, UID: uint32(a.uid), GID: uint32(a.gid), //nolint:gosec // what the user database has
	}}
	for _, change := range layout.Plan(false) {
		if p.host.exists(change.Path) {
			p.remark("%s: is not as %s needs it: verifier permissions fix", change.Path, a.name)
		}
	}
}

// planSudoers plans that the verifier may read home rules in closed home folders.
func (p *Plan) planSudoers(programPath string, homeRules bool) error {
	folder, file := path.Dir(sudoersFile), sudoersFile
	if !homeRules {
		if e, ours := p.before.find(madeFile, file); ours {
			return p.planRemoveFile(e, false, "home rules are off")
		}
		return nil
	}
	if !p.host.exists(folder) {
		p.remark("no sudo on this host: rules in home folders that are closed to %s are not read", p.user)
		return nil
	}
	text := hostFile("sudoers", programPath, p.user)
	// visudo checks the file alone: what an image has is not run.
	visudo := program("visudo")
	if visudo == "" {
		p.remark("no visudo to check %s with", file)
	}
	steps := len(p.Steps)
	if err := p.planFile(file, text, owner{mode: 0o440}, "the verifier may read home rules where home folders are closed", false); err != nil {
		return err
	}
	if len(p.Steps) == steps || visudo == "" {
		return nil
	}
	write := p.Steps[steps].do
	p.Steps[steps].do = func() (func() error, error) {
		// Before it is in its place: with a broken file there nobody could use sudo.
		if err := checkSudoers(visudo, text); err != nil {
			return nil, err
		}
		return write()
	}
	return nil
}

func checkSudoers(visudo, text string) (err error) {
	file, err := os.CreateTemp("", "sudoers")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	_, err = runProgram(visudo, "-c", "-q", "-f", file.Name())
	return err
}
