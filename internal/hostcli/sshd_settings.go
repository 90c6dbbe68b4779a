package hostcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"opkssh/internal/installer"
	"opkssh/pkg/policy"
)

// sshdPrograms are where systems have sshd, which wants to be started by its absolute path. NixOS has the last.
var sshdPrograms = []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/run/current-system/sw/bin/sshd"}

// errNoSSHD: there is nobody to ask.
var errNoSSHD = errors.New("sshd is in none of its usual places")

// sshdSettings is what sshd says of its own configuration (sshd -T): keywords in lower case, the values of each in their order.
type sshdSettings map[string][]string

// errSSHDClosed: sshd -T reads the host keys, which are root's, and perhaps settings that are.
var errSSHDClosed = errors.New("sshd tells root alone its settings")

// readSSHDSettings asks sshd for its settings, for the logins of one user, or, if user is "", for those that no Match block is about.
// program and config may be "". The error holds what sshd said.
func readSSHDSettings(ctx context.Context, program, config, user string) (sshdSettings, error) {
	if program == "" {
		if program = firstFile(sshdPrograms...); program == "" {
			return nil, errNoSSHD
		}
	}
	args := []string{"-T"}
	if config != "" {
		args = append(args, "-f", config)
	}
	if user != "" {
		// Somewhere outside: the address is one that documentation is written with (RFC 5737).
		args = append(args, "-C", "user="+user+",host=client.example.com,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
	}
	stdout, stderr, err := runHostProgram(ctx, program, args...)
	if err != nil {
		text := strings.Join(strings.Fields(stderr), " ")
		if text == "" {
			text = err.Error()
		}
		said := fmt.Errorf("%s -T: %s", program, text)
		if os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || strings.Contains(text, "no hostkeys available") || strings.Contains(text, "Permission denied")) {
			return nil, fmt.Errorf("%w: %w", errSSHDClosed, said)
		}
		return nil, said
	}
	settings := parseSSHDSettings(stdout)
	if len(settings["authorizedkeyscommand"]) == 0 {
		return nil, fmt.Errorf("%s -T: expected its settings, got none of AuthorizedKeysCommand %s", program, strings.Join(strings.Fields(stderr), " "))
	}
	return settings, nil
}

func parseSSHDSettings(text string) sshdSettings {
	settings := sshdSettings{}
	for line := range strings.Lines(text) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if keyword != "" {
			keyword = strings.ToLower(keyword)
			settings[keyword] = append(settings[keyword], strings.TrimSpace(value))
		}
	}
	return settings
}

// first is the one value of a keyword, and "" for none.
func (s sshdSettings) first(keywords ...string) string {
	for _, keyword := range keywords {
		if values := s[keyword]; len(values) > 0 && values[0] != "none" {
			return values[0]
		}
	}
	return ""
}

func (s sshdSettings) command() string     { return s.first("authorizedkeyscommand") }
func (s sshdSettings) commandUser() string { return s.first("authorizedkeyscommanduser") }

// has is whether a comma separated list holds name. A list that this sshd does not know holds everything.
func (s sshdSettings) has(name string, keywords ...string) bool {
	list := s.first(keywords...)
	if list == "" {
		return true
	}
	for entry := range strings.SplitSeq(list, ",") {
		if entry == name {
			return true
		}
	}
	return false
}

// sshdCommand is an AuthorizedKeysCommand that runs the verifier.
type sshdCommand struct {
	program string
	options verifyOptions
	further []string
}

var errNotVerifier = errors.New("it does not run the command verify")

// parseSSHDCommand reads the value of AuthorizedKeysCommand as a login does what sshd makes of it. The error is [errNotVerifier] for another
// program's.
func parseSSHDCommand(command string) (*sshdCommand, error) {
	words, err := policy.SplitCommand(command)
	if err != nil {
		return nil, err
	}
	if len(words) < 2 || words[1] != "verify" {
		return nil, errNotVerifier
	}
	// What stands for %k and %t has their form; everything else stays, %u among it.
	args := make([]string, len(words)-2)
	for i, word := range words[2:] {
		args[i] = strings.NewReplacer("%k", "AAAA", "%t", "ssh-ed25519").Replace(word)
	}
	arguments, err := parseVerifyArguments(args)
	if err != nil || arguments.user != "%u" || arguments.key != "AAAA" || arguments.keyType != "ssh-ed25519" {
		return nil, errVerifyUsage
	}
	c := &sshdCommand{program: words[0], further: arguments.furtherTokens}
	flags := c.options.flags()
	if err := flags.Parse(arguments.flags); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected %q before %%u", flags.Arg(0))
	}
	return c, nil
}

func readSSHDVersion(ctx context.Context, program string) (installer.SSHDVersion, bool) {
	if program == "" {
		program = firstFile(sshdPrograms...)
	}
	if program == "" {
		return installer.SSHDVersion{}, false
	}
	// Old versions end with an error.
	stdout, stderr, _ := runHostProgram(ctx, program, "-V")
	return installer.ParseSSHDVersion(stdout + stderr)
}
