package hostcli

import (
	"errors"
	"fmt"
	"strings"

	"opkssh/pkg/policy"
)

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
