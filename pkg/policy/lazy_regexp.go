package policy

import (
	"regexp"
	"sync"
)

// lazyRegexp compiles an expression at its first use: the verifier starts anew for each question of sshd, and few of them meet one.
func lazyRegexp(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
