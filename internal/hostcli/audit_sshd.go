package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/internal/installer"
	"opkssh/internal/sshdsettings"
	"opkssh/pkg/policy"
)

const ourCommand = "AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t"

// maxMatchUsers bounds for how many users sshd is asked about its Match blocks.
const maxMatchUsers = 100

func (a *auditor) checkSSHD(ctx context.Context) {
	settings, err := sshdsettings.Read(ctx, sshdsettings.Query{Program: a.sshd, Config: a.sshdConfig})
	switch {
	case errors.Is(err, sshdsettings.ErrNone):
		a.warning(codeSSHDNotChecked, err.Error(), "--sshd names the program")
	case errors.Is(err, sshdsettings.ErrClosed):
		a.warning(codeSSHDNotChecked, err.Error(), runAsRoot)
	case err != nil:
		a.error(codeSSHDConfig, err.Error(), "what sshd cannot read, it does not start with")
	default:
		a.settings = &settings
		a.checkCommand(ctx, settings)
		a.checkMatchBlocks(ctx, settings)
	}
	a.findAccount(ctx)
}

// findAccount looks the command's user up.
func (a *auditor) findAccount(ctx context.Context) {
	name := a.commandUser
	if name == "" && a.settings != nil {
		name = a.settings.CommandUser()
		if name == "" {
			return // said already
		}
	}
	if name == "" {
		name = configuredCommandUser(a.sshdConfig)
	}
	account, err := hostfiles.LookupAccount(ctx, name)
	if err != nil {
		a.error(codeNoCommandUser, fmt.Sprintf("AuthorizedKeysCommandUser %s: %v: sshd does not run the command", name, err),
			"verifier install makes the user, or: useradd --system --no-create-home --shell /usr/sbin/nologin "+name)
		return
	}
	a.account = account
	a.checkMayRun(account)
	if account.UID == 0 {
		a.warning(codeCommandUserRoot, "the verifier runs as root: it needs no rights but to read its files",
			"give it a user of its own: AuthorizedKeysCommandUser "+defaultCommandUser)
	}
}

// checkMayRun is about a program that is trusted and closed to the user whom sshd runs it as.
func (a *auditor) checkMayRun(account *hostfiles.Account) {
	if a.settings == nil {
		return
	}
	command, err := parseSSHDCommand(a.settings.Command())
	if err != nil {
		return // said already
	}
	program, err := hostfiles.SystemProgram(command.program)
	if err != nil {
		return // said already
	}
	var fault *hostfiles.Fault
	if errors.As(account.MayRun(program), &fault) {
		a.unrunnable = true
		a.add(auditFinding{
			Code: codeCommandProgram, Severity: policy.SeverityError, File: fault.Path, Hint: fault.Hint,
			Text: fmt.Sprintf("the user %s cannot run the verifier: %s: expected %s, got %s", account.Name, fault.Detail, fault.Expected, fault.Got),
		})
	}
}

func (a *auditor) checkCommand(ctx context.Context, settings sshdsettings.Settings) {
	version, known := sshdsettings.ReadVersion(ctx, a.sshd)
	if known && version.Before(8, 1) {
		a.error(codeOldSSHD, fmt.Sprintf("OpenSSH %s cannot pass a key of over 4 KiB, and most certificates with a token are longer", version), "OpenSSH 8.1 or later")
	}
	command := settings.Command()
	parsed, err := parseSSHDCommand(command)
	switch {
	case command == "":
		a.error(codeNoCommand, "sshd has no AuthorizedKeysCommand: it never asks the verifier", "in sshd_config: "+ourCommand+", then reload sshd")
		return
	case errors.Is(err, errNotVerifier):
		a.error(codeOtherCommand, fmt.Sprintf("sshd runs another AuthorizedKeysCommand: %s", command),
			"in sshd_config: "+ourCommand+"; name the other one in chain of config.yml")
		return
	case err != nil:
		a.error(codeCommandArguments, fmt.Sprintf("AuthorizedKeysCommand %s: %v", command, err), "in sshd_config: "+ourCommand)
		return
	}
	a.checkCommandProgram(parsed.program)
	a.checkOtherProgram(ctx, parsed.program)
	if settings.CommandUser() == "" {
		a.error(codeNoCommandUser, "sshd has no AuthorizedKeysCommandUser: it does not run the command", "in sshd_config: AuthorizedKeysCommandUser "+defaultCommandUser)
	}
	if known && version.Before(9, 4) && slices.ContainsFunc(parsed.further, func(w string) bool { return strings.Contains(w, "%C") }) {
		a.error(codeOldSSHD, fmt.Sprintf("OpenSSH %s does not know %%C here, and ends with an error", version), "leave %C out of AuthorizedKeysCommand, or OpenSSH 9.4 or later")
	}
	for _, folder := range []struct{ flag, ours, theirs string }{
		{"--config-dir", a.configDir, parsed.options.configDir}, {"--cache-dir", a.cacheDir, parsed.options.cacheDir},
	} {
		if folder.ours != "" && folder.ours != filepath.Clean(folder.theirs) {
			a.warning(codeOtherFolders, fmt.Sprintf("sshd runs the verifier with %s %s, and this looks at %s", folder.flag, folder.theirs, folder.ours),
				"add "+folder.flag+" "+folder.theirs)
		}
	}
	a.checkKeysWelcome("sshd", settings)
	if penalties := settings.First("persourcepenalties"); strings.Contains(penalties, "authfail") {
		a.note(codeSourcePenalties, "sshd locks addresses out after failed logins (PerSourcePenalties): a client that is refused a few times has to wait", "")
	}
}

// checkCommandProgram holds the program to the rule that sshd has for it.
func (a *auditor) checkCommandProgram(program string) {
	_, err := hostfiles.SystemProgram(program)
	var fault *hostfiles.Fault
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.error(codeCommandProgram, fmt.Sprintf("AuthorizedKeysCommand %s: there is no such program", program), "install it there, owned by root")
	case errors.As(err, &fault):
		a.add(auditFinding{
			Code: codeCommandProgram, Severity: policy.SeverityError, File: fault.Path, Hint: fault.Hint,
			Text: fmt.Sprintf("sshd does not run it: %s: expected %s, got %s", fault.Detail, fault.Expected, fault.Got),
		})
	case err != nil:
		a.error(codeCommandProgram, fmt.Sprintf("AuthorizedKeysCommand %s: %v", program, err), "")
	}
}

// checkOtherProgram is about a program that is not this one: what is found here, and what lock writes, may mean nothing to it.
func (a *auditor) checkOtherProgram(ctx context.Context, program string) {
	other := findOtherProgram(ctx, program)
	switch {
	case other == nil:
	case other.version.Ours:
		a.warning(codeOtherProgram, other.String()+": it may decide otherwise than is said here", installer.ReplaceHint(program))
	default:
		a.error(codeOtherProgram, other.String()+": locks, limits and all else may mean nothing to it", installer.ReplaceHint(program))
	}
}

// checkKeysWelcome is about what sshd says of keys before it asks anybody. whose says whom the settings are for.
func (a *auditor) checkKeysWelcome(whose string, settings sshdsettings.Settings) {
	if settings.First("pubkeyauthentication") == "no" {
		a.error(codePublicKeyOff, whose+": PubkeyAuthentication is no: no key is looked at", "in sshd_config: PubkeyAuthentication yes")
	}
	if methods := settings.First("authenticationmethods"); methods != "" && methods != "any" && !strings.Contains(methods, "publickey") {
		a.error(codePublicKeyOff, fmt.Sprintf("%s: AuthenticationMethods is %s: no key is looked at", whose, methods), "in sshd_config: AuthenticationMethods publickey")
	}
	var missing []string
	for _, t := range []struct{ certificate, signature string }{
		{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256"}, {"ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"},
	} {
		if !settings.Has(t.certificate, "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes") || !settings.Has(t.signature, "casignaturealgorithms") {
			missing = append(missing, t.signature)
		}
	}
	const hint = "add the type and its certificate's (…-cert-v01@openssh.com) to PubkeyAcceptedAlgorithms, and the type to CASignatureAlgorithms"
	switch len(missing) {
	case 1:
		a.warning(codeKeyAlgorithms, fmt.Sprintf("%s: sshd takes no certificates of type %s", whose, missing[0]), hint)
	case 2:
		a.error(codeKeyAlgorithms, fmt.Sprintf("%s: sshd takes no certificates of the types that opkssh makes: %s", whose, strings.Join(missing, ", ")), hint)
	}
}

// checkMatchBlocks asks sshd about each user that rules name: a Match block can have its own settings.
func (a *auditor) checkMatchBlocks(ctx context.Context, global sshdsettings.Settings) {
	users := a.usersToLookAt()
	if len(users) > maxMatchUsers {
		a.note(codeUsersNotChecked, fmt.Sprintf("sshd was asked about %d of %d users only", maxMatchUsers, len(users)), "verifier doctor USER is about one")
		users = users[:maxMatchUsers]
	}
	for _, user := range users {
		if account, err := hostfiles.LookupAccount(ctx, user); err != nil || strings.ContainsAny(account.Name, ",=") {
			continue // no such user: said elsewhere; and sshd has no way to write such a name
		}
		settings, err := sshdsettings.Read(ctx, sshdsettings.Query{Program: a.sshd, Config: a.sshdConfig, User: user})
		if err != nil {
			a.error(codeSSHDConfig, err.Error(), "")
			return
		}
		if settings.Command() != global.Command() || settings.CommandUser() != global.CommandUser() {
			a.error(codeMatchBlock, fmt.Sprintf("for %s a Match block of sshd_config has another AuthorizedKeysCommand or user: %s", user, settings.Command()),
				"remove it from the Match block")
		}
		a.checkKeysWelcomeHere(user, global, settings)
		if ok, which := allowsUser(settings, user); !ok {
			a.error(codeUserNotAllowed, fmt.Sprintf("%s of sshd_config keeps %s out", which, user), "")
		}
		if groups := settings["allowgroups"]; len(groups) > 0 {
			a.note(codeUserNotAllowed, fmt.Sprintf("AllowGroups of sshd_config lets %s in only as a member of: %s", user, strings.Join(groups, ", ")), "")
		}
		if user == "root" && settings.First("permitrootlogin") == "no" {
			a.error(codeRootLoginOff, "rules let people in as root, and sshd does not: PermitRootLogin is no", "in sshd_config: PermitRootLogin prohibit-password")
		}
	}
}

// checkKeysWelcomeHere says what is said of everybody only once.
func (a *auditor) checkKeysWelcomeHere(user string, global, settings sshdsettings.Settings) {
	for _, keyword := range []string{"pubkeyauthentication", "authenticationmethods", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "casignaturealgorithms"} {
		if settings.First(keyword) != global.First(keyword) {
			a.checkKeysWelcome("for "+user, settings)
			return
		}
	}
}

// allowsUser looks at DenyUsers and AllowUsers, whose patterns may end in @HOST: a host is not known here, and fits.
func allowsUser(s sshdsettings.Settings, user string) (ok bool, which string) {
	literal := strings.NewReplacer(`\`, `\\`, "[", `\[`)
	fits := func(entry string) (fits, anywhere bool) {
		pattern, _, ofHost := strings.Cut(entry, "@")
		matched, err := path.Match(literal.Replace(pattern), user)
		return err == nil && matched || entry == user, !ofHost || entry == user
	}
	for _, entry := range s.Words("denyusers") {
		if fits, anywhere := fits(entry); fits && anywhere {
			return false, "DenyUsers"
		}
	}
	allowed := s.Words("allowusers")
	if len(allowed) == 0 {
		return true, ""
	}
	for _, entry := range allowed {
		if fits, _ := fits(strings.TrimPrefix(entry, "!")); fits {
			return !strings.HasPrefix(entry, "!"), "AllowUsers"
		}
	}
	return false, "AllowUsers"
}

// principals are the users that rules name, once each, in their order.
func (a *auditor) principals() []string {
	var users []string
	seen := map[string]bool{}
	for _, r := range a.rules {
		if !seen[r.Principal] {
			seen[r.Principal] = true
			users = append(users, r.Principal)
		}
	}
	return users
}
