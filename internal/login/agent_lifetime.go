package login

import (
	"fmt"
	"strconv"
	"time"
)

// AgentLifetime is how long an ssh-agent keeps a key, at most. Its zero value is until the certificate ends, which is never exceeded.
type AgentLifetime time.Duration

// ParseAgentLifetime reads a duration such as 12h, of a second or more, or a number of seconds such as 28800.
func ParseAgentLifetime(s string) (AgentLifetime, error) {
	d, err := time.ParseDuration(s)
	if seconds, notSeconds := strconv.ParseUint(s, 10, 32); notSeconds == nil { // an agent has 32 bits for them
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("expected a duration of at least 1s, such as 12h, or a number of seconds, got %q", printable(s, 100))
	}
	return AgentLifetime(d), nil
}

// String, Set and Type make it a flag.
func (l *AgentLifetime) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Set is [ParseAgentLifetime].
func (l *AgentLifetime) Set(s string) (err error) {
	*l, err = ParseAgentLifetime(s)
	return err
}

// Type names the kind of value in a flag's help.
func (l *AgentLifetime) Type() string { return "agentLifetime" }
