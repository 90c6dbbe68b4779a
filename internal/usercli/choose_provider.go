package usercli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"opkssh/internal/login"
)

// chooseProvider finds the provider to log in with: --provider, else ALIAS, else the default, else the only one there is, else
// the one that the person picks, in the browser or at the terminal.
func chooseProvider(ctx context.Context, t *terminal, alias string, o *loginOptions) (login.Provider, error) {
	if o.idTokenFile != "" || o.idTokenCommand != "" {
		provider, err := idTokenProvider(t, o)
		if err == nil && o.addToAgent != "" && o.addToAgent != login.AgentNo {
			provider.AgentLifetime = jobLifetime(t, o)
		}
		return provider, err
	}
	config, err := clientConfig(t, o.configPath)
	if err != nil {
		return login.Provider{}, err
	}
	provider, err := pickProvider(ctx, t, config, alias, o)
	if provider.Flow == "" {
		provider.Flow = config.Flow
	}
	provider.AgentLifetime = config.AgentLifetime
	return provider, err
}

// jobLifetime is the configuration's lifetime of keys in an agent. A job needs no configuration, and logs in beside a broken one.
func jobLifetime(t *terminal, o *loginOptions) login.AgentLifetime {
	config, err := clientConfig(t, o.configPath)
	if err != nil {
		t.note("warning: no agent_lifetime is known: %v", err)
		return 0
	}
	return config.AgentLifetime
}

func pickProvider(ctx context.Context, t *terminal, config *login.Config, alias string, o *loginOptions) (login.Provider, error) {
	switch {
	case o.provider != "":
		return login.ParseProvider(o.provider)
	case alias != "":
	case config.DefaultProvider != "":
		alias = config.DefaultProvider
	}
	switch {
	case login.IsCIAlias(alias) && !isConfigured(config, alias):
		return ciProvider(alias, o)
	case alias != "" && !strings.EqualFold(alias, login.WebChooser):
		return login.Find(config.Providers, alias)
	case len(config.Providers) == 1:
		return config.Providers[0], nil
	case choosesInBrowser(t, config, o):
		return chooseInBrowser(ctx, t, config.Providers, o)
	case !t.interactive():
		return login.Provider{}, withHint(
			fmt.Errorf("several providers and no default: %s", strings.Join(aliases(config.Providers), ", ")),
			aliasHint(),
		)
	}
	return askForProvider(ctx, t, config.Providers)
}

func aliases(providers []login.Provider) []string {
	var names []string
	for _, p := range providers {
		names = append(names, p.Aliases...)
	}
	return names
}

// askForProvider shows a numbered menu until the answer is a number or an alias of it.
func askForProvider(ctx context.Context, t *terminal, providers []login.Provider) (login.Provider, error) {
	t.note("choose a provider:")
	for i, p := range providers {
		t.note("  %d  %-18s %s", i+1, strings.Join(p.Aliases, ", "), p.Issuer)
	}
	answers := bufio.NewScanner(t.in)
	for {
		t.question(fmt.Sprintf("number or alias [1-%d]: ", len(providers)))
		answer, err := nextLine(ctx, answers)
		if err != nil {
			t.note("")
			return login.Provider{}, err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(providers) {
			return providers[n-1], nil
		}
		if p, err := login.Find(providers, answer); err == nil {
			return p, nil
		}
	}
}

// nextLine waits for a line or for Ctrl-C, which does not interrupt a read.
func nextLine(ctx context.Context, answers *bufio.Scanner) (string, error) {
	read := make(chan bool, 1)
	go func() { read <- answers.Scan() }()
	select {
	case <-ctx.Done():
		return "", &login.Error{Code: login.CodeCanceled}
	case more := <-read:
		if !more {
			return "", withHint(errors.New("no provider was chosen"), "opkssh login ALIAS")
		}
		return strings.TrimSpace(answers.Text()), nil
	}
}
