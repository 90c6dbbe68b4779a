package hostcli

import (
	"errors"
	"strings"
)

// verifyArguments is a command line of sshd: our flags, then %u %k %t, then whatever further tokens the administrator added.
type verifyArguments struct {
	flags         []string
	user          string
	key, keyType  string
	furtherTokens []string
}

var errVerifyUsage = errors.New("expected the user, the key in base64 and its type: AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t")

// parseVerifyArguments finds the user, who comes from the network and may be called --help or --config-dir=/tmp. A key blob
// starts with the length of its type's name, in base64 with AAAA, and nothing of ours looks like one that is followed by
// a type: the user is what stands before the first such pair, and all before that is ours.
func parseVerifyArguments(args []string) (*verifyArguments, error) {
	for i := 0; i+2 < len(args); i++ {
		if strings.HasPrefix(args[i+1], "AAAA") && isKeyType(args[i+2]) {
			return &verifyArguments{flags: args[:i], user: args[i], key: args[i+1], keyType: args[i+2], furtherTokens: args[i+3:]}, nil
		}
	}
	return nil, errVerifyUsage
}

// isKeyType knows the form of key type names (RFC 4251 §6), not their list, which sshd keeps.
func isKeyType(s string) bool {
	const prefixes = "ssh- ecdsa- sk- rsa- webauthn-"
	for prefix := range strings.FieldsSeq(prefixes) {
		if strings.HasPrefix(s, prefix) && len(s) <= 64 {
			return true
		}
	}
	return false
}
