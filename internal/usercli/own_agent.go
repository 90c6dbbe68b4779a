package usercli

import (
	"cmp"
	"context"
	"crypto"
	"fmt"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// uninvitedPatience is how long to wait for an agent that nobody asked for, and that is not known to have a key.
const uninvitedPatience = 5 * time.Second

// renewedPatience is for an agent that may have the key which a refresh has renewed, and may ask its owner first.
const renewedPatience = 15 * time.Second

// withPatience is for everything that an agent is asked.
func withPatience(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("expected an answer within %s, got none", patience))
}

// reachAgent connects to the agent; nil is for none. That there is none is worth a line only where one was promised.
func reachAgent(ctx context.Context, t *terminal) *userkeys.Agent {
	agent, err := userkeys.DialAgent(ctx, os.Getenv)
	switch {
	case err == nil:
		return agent
	case os.Getenv("SSH_AUTH_SOCK") == "":
		t.detail("%v", err)
	default:
		t.note("warning: %v", err)
	}
	return nil
}

// withUninvitedAgent does something with the agent, if there is one. A login or a refresh that wants nothing of it does not wait for long.
func withUninvitedAgent(ctx context.Context, patience time.Duration, do func(*userkeys.Agent) error) error {
	ctx, cancel := withPatience(ctx, patience)
	defer cancel()
	agent, err := userkeys.DialAgent(ctx, os.Getenv)
	if err != nil {
		return nil
	}
	defer func() { _ = agent.Close() }()
	return do(agent)
}

// updateAgent does what there is to do in the agent once the files are written and the refresh token is kept: an agent may not answer.
func (p *keyPlace) updateAgent(ctx context.Context, t *terminal, stored *storedKey, key crypto.Signer, cert *ssh.Certificate) error {
	var err error
	if p.agent != nil && !stored.inAgent {
		err = p.addToAgent(t, key, cert)
		stored.inAgent = err == nil
	}
	if stored.replaced != nil {
		p.removeReplacedKey(ctx, t, *stored.replaced)
	}
	switch {
	case err != nil && p.use == login.AgentAuto:
		t.note("warning: %v", err)
		return nil
	case err != nil:
		return withHint(err, fmt.Sprintf("the key is in %s all the same", stored.pair.Key))
	case stored.inAgent:
		return p.removeReplaced(stored.pair, cert)
	}
	return nil
}

// removeReplacedKey takes a key out of the agent once a login has written another key in its place: nobody would find it there any more. With
// its certificate it can be found, and stays if it is another account's.
func (p *keyPlace) removeReplacedKey(ctx context.Context, t *terminal, old userkeys.Identity) {
	now, found := userkeys.Read(old.Pair)
	if found && now.SameKey(old) {
		return
	}
	remove := func(agent *userkeys.Agent) error {
		_, errCertificate := agent.Remove(func(id userkeys.Identity) bool { return old.SameKey(id) && now.Same(id) })
		_, errPlain := agent.RemovePlain([]userkeys.Identity{old})
		return cmp.Or(errCertificate, errPlain)
	}
	var err error
	if p.agent != nil {
		err = remove(p.agent)
	} else {
		err = withUninvitedAgent(ctx, uninvitedPatience, remove)
	}
	if err != nil {
		t.note("warning: the key that was there before may still be in the ssh-agent: %v", err)
	}
}
