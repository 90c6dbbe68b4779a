package login

import "fmt"

// AgentUse is what a login does with an ssh-agent. Its zero value is [AgentNo].
type AgentUse string

const (
	AgentNo   AgentUse = "no"   // the agent is left alone
	AgentAuto AgentUse = "auto" // the key goes to a file, and to the agent if there is one
	AgentYes  AgentUse = "yes"  // the key goes to a file and to the agent
	AgentOnly AgentUse = "only" // the key goes to the agent, and never to a file
)

// ParseAgentUse reads one of the four words.
func ParseAgentUse(s string) (AgentUse, error) {
	switch use := AgentUse(s); use {
	case AgentNo, AgentAuto, AgentYes, AgentOnly:
		return use, nil
	}
	return "", fmt.Errorf("expected auto, no, yes or only, got %q", printable(s, 100))
}

// String, Set and Type make it a flag.
func (u *AgentUse) String() string { return string(*u) }

// Set is [ParseAgentUse].
func (u *AgentUse) Set(s string) (err error) {
	*u, err = ParseAgentUse(s)
	return err
}

// Type names the kind of value in a flag's help.
func (u *AgentUse) Type() string { return "agentUse" }
