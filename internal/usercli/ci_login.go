package usercli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"

	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// logIn gets a PK token: from a person, or in a job from whatever runs it.
func logIn(
	ctx context.Context, t *terminal, provider login.Provider, o *loginOptions, key crypto.Signer, client *pktoken.ClientInstance,
) (*login.Result, error) {
	if provider.Source == nil {
		return personFlow(ctx, t, provider, o, key).Login(ctx, client)
	}
	job := &login.Job{Issuer: provider.Issuer, Source: provider.Source, Keys: providerCache(t, provider)}
	result, err := job.Login(ctx, client)
	if err == nil {
		t.detail("hosts need a row for the issuer with commitment=%s%s", result.Verified.Provider().Commitment,
			yesNo(result.Verified.Provider().AllowAudienceArray, " aud=array", ""))
	}
	return result, err
}

// checkJob refuses flags that contradict each other about who logs in.
func (o *loginOptions) checkJob(args []string) error {
	switch {
	case o.idTokenFile == "" && o.idTokenCommand == "":
		return nil
	case o.idTokenFile != "" && o.idTokenCommand != "":
		return wrongUsage(errors.New("expected --id-token-file or --id-token-command, got both"))
	case len(args) > 0 || o.provider != "":
		return wrongUsage(errors.New("the ID token names its issuer: expected neither an alias nor --provider"))
	}
	return nil
}

// idTokenProvider is the provider of an ID token that a flag says how to get.
func idTokenProvider(t *terminal, o *loginOptions) (login.Provider, error) {
	if err := o.checkAlone(); err != nil {
		return login.Provider{}, err
	}
	if o.idTokenFile != "" {
		return login.Provider{Source: login.IDTokenFile{Name: o.idTokenFile, Stdin: t.in}}, nil
	}
	words, err := policy.SplitCommand(o.idTokenCommand)
	if err != nil {
		return login.Provider{}, wrongUsage(fmt.Errorf("--id-token-command: %w", err))
	}
	return login.Provider{Source: login.IDTokenCommand{Words: words, Environ: os.Environ(), Stderr: os.Stderr}}, nil
}

// ciProvider is the CI system in one of whose jobs we run.
func ciProvider(alias string, o *loginOptions) (login.Provider, error) {
	if err := o.checkAlone(); err != nil {
		return login.Provider{}, err
	}
	system, err := login.FindCISystem(alias, os.Getenv, idp.Network{Getenv: os.Getenv})
	if err != nil {
		return login.Provider{}, err
	}
	return login.Provider{Aliases: []string{system.Alias}, Issuer: system.Issuer, Source: system.Source}, nil
}

// checkAlone refuses what needs more than an ID token.
func (o *loginOptions) checkAlone() error {
	switch {
	case o.sendAccessToken:
		return wrongUsage(errors.New("--send-access-token: a job has an ID token alone"))
	case o.autoRefresh:
		return wrongUsage(errors.New("--auto-refresh: a job has no refresh token"))
	}
	return nil
}

// aliasHint says how to choose a provider where nobody can be asked.
func aliasHint() string {
	if systems := login.CISystems(os.Getenv, idp.Network{}); len(systems) > 0 {
		return "this is a CI job: opkssh login " + systems[0].Alias
	}
	return "opkssh login ALIAS, or set OPKSSH_DEFAULT=ALIAS"
}

// isConfigured is whether a provider of the configuration has the alias. Such a one comes before a CI system.
func isConfigured(config *login.Config, alias string) bool {
	_, err := login.Find(config.Providers, alias)
	return err == nil
}
