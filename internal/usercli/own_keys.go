package usercli

import (
	"context"
	"slices"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// keySelection is which of the keys on this computer a command is about.
type keySelection struct {
	alias      string // of a provider, "" for all
	file       string // of the private key, instead
	configPath string
}

// matcher finds the provider of the alias. An alias that only an earlier login knew counts too.
func (s keySelection) matcher(t *terminal, list []userkeys.Identity) (func(userkeys.Identity) bool, error) {
	match, unknown, err := s.find(t)
	if err == nil && !slices.ContainsFunc(list, match) {
		err = unknown
	}
	return match, err
}

// find is matcher before it is known which keys there are. unknown is the error if no provider has the alias and no key matches.
func (s keySelection) find(t *terminal) (match func(userkeys.Identity) bool, unknown, err error) {
	if s.alias == "" {
		return func(userkeys.Identity) bool { return true }, nil, nil
	}
	config, err := clientConfig(t, s.configPath)
	if err != nil {
		return nil, nil, err
	}
	provider, err := login.Find(config.Providers, s.alias)
	if err != nil {
		return func(id userkeys.Identity) bool { return id.Alias == s.alias }, loginError(err), nil
	}
	return func(id userkeys.Identity) bool { return id.At(provider.Issuer, provider.ClientID, provider.Aliases) }, nil, nil
}

// keysInFiles lists the keys that login wrote. A file that is named counts alone.
func keysInFiles(file string) ([]userkeys.Identity, error) {
	if file != "" {
		if id, found := userkeys.Read(userkeys.At(file)); found {
			return []userkeys.Identity{id}, nil
		}
		return nil, nil
	}
	folder, err := keyFolder()
	if err != nil {
		return nil, err
	}
	return userkeys.List(folder)
}

// ownKeys lists the keys that login wrote, in files and in the agent. A file that is named counts alone.
func ownKeys(ctx context.Context, t *terminal, file string) ([]userkeys.Identity, error) {
	list, err := keysInFiles(file)
	if err != nil {
		return nil, err
	}
	patience := uninvitedPatience
	if slices.ContainsFunc(list, func(id userkeys.Identity) bool { return id.Mark.InAgent }) {
		patience = userkeys.AgentTimeout
	}
	ctx, cancel := withPatience(ctx, patience)
	defer cancel()
	agent := reachAgent(ctx, t)
	if agent == nil {
		return list, nil
	}
	defer func() { _ = agent.Close() }()
	all, err := agent.Complete(list)
	if err != nil {
		t.note("warning: %v", err)
		return list, nil
	}
	if file != "" {
		all = all[:len(list)]
	}
	return all, nil
}
