package usercli

import (
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
	if s.alias == "" {
		return func(userkeys.Identity) bool { return true }, nil
	}
	config, err := clientConfig(t, s.configPath)
	if err != nil {
		return nil, err
	}
	provider, err := login.Find(config.Providers, s.alias)
	if err == nil {
		return func(id userkeys.Identity) bool { return id.At(provider.Issuer, provider.ClientID, provider.Aliases) }, nil
	}
	noted := func(id userkeys.Identity) bool { return id.Alias == s.alias }
	if slices.ContainsFunc(list, noted) {
		return noted, nil
	}
	return nil, loginError(err)
}

// ownKeys lists the keys that login wrote, in files and in the agent. A file that is named counts alone.
func ownKeys(t *terminal, file string) ([]userkeys.Identity, error) {
	var list []userkeys.Identity
	if file != "" {
		if id, found := userkeys.Read(userkeys.At(file)); found {
			list = append(list, id)
		}
	} else {
		folder, err := keyFolder()
		if err != nil {
			return nil, err
		}
		if list, err = userkeys.List(folder); err != nil {
			return nil, err
		}
	}
	agent, err := reachAgent(t)
	if agent == nil || err != nil {
		return list, err
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
