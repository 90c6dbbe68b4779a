package usercli

import (
	"errors"
	"os"

	"opkssh/internal/userkeys"
)

// reachAgent connects to the agent, if there is one. That there is none is worth a line only where one was promised.
func reachAgent(t *terminal) (*userkeys.Agent, error) {
	agent, err := userkeys.DialAgent(os.Getenv)
	var none *userkeys.NoAgentError
	switch {
	case errors.As(err, &none) && os.Getenv("SSH_AUTH_SOCK") == "":
		t.detail("%v", err)
		return nil, nil
	case errors.As(err, &none):
		t.note("warning: %v", err)
		return nil, nil
	}
	return agent, err
}

// withAgent does something with the agent, if there is one.
func withAgent(do func(*userkeys.Agent) error) error {
	agent, err := userkeys.DialAgent(os.Getenv)
	if err != nil {
		return nil
	}
	defer func() { _ = agent.Close() }()
	return do(agent)
}

// removeReplacedKey takes a key out of the agent that ssh put there without its certificate, once a login has written another key in its
// place: nobody would find it there any more.
func removeReplacedKey(t *terminal, old userkeys.Identity) {
	if now, found := userkeys.Read(old.Pair); found && now.SameKey(old) {
		return
	}
	err := withAgent(func(agent *userkeys.Agent) error {
		_, err := agent.RemovePlain([]userkeys.Identity{old})
		return err
	})
	if err != nil {
		t.note("warning: the key that was there before may still be in the ssh-agent: %v", err)
	}
}
