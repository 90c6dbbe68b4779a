package usercli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
)

// agentLogout is what a logout wants of the agent.
type agentLogout struct {
	inFiles   []userkeys.Identity          // the keys that are, or have been, in files
	list      []userkeys.Identity          // those of them that are logged out
	onlyThere []userkeys.Identity          // those of list whose private keys an agent alone has, by what their files say
	alsoThere []userkeys.Identity          // those of list that a login gave to an agent too
	match     func(userkeys.Identity) bool // which keys are logged out of those that no file tells of
	selection keySelection
}

// run takes the keys out of the agent. gone are those of onlyThere that no agent has any more, as far as can be seen; the certificate files of
// the others stay, as the only thing that tells of them. alone are the keys that were logged out and that no file told of. Ctrl-C ends the
// waiting for an agent that does not answer.
func (l agentLogout) run(ctx context.Context, t *terminal, r *logoutReport) (gone, alone []userkeys.Identity, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	ctx, cancel := withPatience(ctx, userkeys.AgentTimeout)
	defer cancel()
	agent := reachAgent(ctx, t)
	var removed []userkeys.Identity
	if agent != nil {
		defer func() { _ = agent.Close() }()
		removed, alone, err = l.takeOut(agent)
	}
	for _, id := range removed {
		key := agentKey{id.Account(), id.Issuer, ssh.FingerprintSHA256(id.Certificate.Key)}
		if !slices.Contains(r.FromAgent, key) {
			r.FromAgent = append(r.FromAgent, key)
		}
	}
	hides := err != nil || agent != nil && len(removed) == 0 && len(l.onlyThere)+len(l.alsoThere) > 0 && agent.MayBeLocked()
	left, kept := 0, false
	for _, id := range l.onlyThere {
		switch {
		case slices.ContainsFunc(removed, id.SameKey):
			gone = append(gone, id)
		case agent != nil && !hides:
			t.note("warning: the ssh-agent does not have the key of %s: if another one has the key, it stays there", id.Account())
			gone = append(gone, id)
		default:
			left++
			kept = true
			r.Kept = append(r.Kept, keptFile{id.Pair.Certificate, "its private key may still be in an ssh-agent"})
		}
	}
	for _, id := range l.alsoThere {
		// Without a warning if the agent does not have it: somebody has taken it out, or the agent was started anew.
		if (agent == nil || hides) && !slices.ContainsFunc(removed, id.SameKey) {
			left++
			t.note("warning: the key of %s was given to an ssh-agent too, and may still be there", id.Account())
		}
	}
	switch {
	case left == 0 || err != nil:
	case agent == nil:
		err = withHint(fmt.Errorf("%s may still be in an ssh-agent, and none can be reached", count(left, "key")),
			"set SSH_AUTH_SOCK to that agent's socket and "+l.again(kept, "that agent has ended"))
	default:
		err = withHint(fmt.Errorf("%s may still be in the ssh-agent, which shows no keys and may be locked", count(left, "key")),
			"unlock it with ssh-add -X and "+l.again(kept, "it has been started anew"))
	}
	return gone, alone, err
}

// again is how to take out of the agent what is left there, and nothing else. gone is why it may not be there.
func (l agentLogout) again(kept bool, gone string) string {
	s, command := l.selection, "run opkssh logout"
	switch {
	case s.alias != "":
		command += " " + s.alias
	case s.file != "" && !kept:
		// The file that told which key it is has been removed.
		return "put the key's line of ssh-add -L into a file, and run ssh-add -d with that"
	case s.file != "":
		command += " -i " + s.file
	}
	if s.alias != "" && s.configPath != "" {
		command += " --config-path " + s.configPath
	}
	if kept {
		command += ", or remove what was kept if " + gone
	}
	return command
}

// takeOut removes the keys with and without their certificates.
func (l agentLogout) takeOut(agent *userkeys.Agent) (removed, alone []userkeys.Identity, err error) {
	all, err := agent.Complete(slices.Clone(l.inFiles))
	if err != nil {
		return nil, nil, err
	}
	alone, _ = divide(all[len(l.inFiles):], l.match)
	list := slices.Concat(l.list, alone)
	removed, err = agent.Remove(func(held userkeys.Identity) bool { return slices.ContainsFunc(list, held.SameKey) })
	plain, errPlain := agent.RemovePlain(list)
	return append(removed, plain...), alone, errors.Join(err, errPlain)
}
