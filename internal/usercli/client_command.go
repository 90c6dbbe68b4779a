package usercli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
	"opkssh/internal/idp"
	"opkssh/internal/login"
)

// providerList is what client provider list --json prints.
type providerList struct {
	DefaultProvider string         `json:"default_provider"`
	Providers       []listedClient `json:"providers"`
}

type listedClient struct {
	Aliases  []string `json:"aliases"`
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id,omitempty"` // absent for a CI job
	Scopes   []string `json:"scopes,omitempty"`
	CIJob    bool     `json:"ci_job"`
}

func clientCommand(t *terminal) *cobra.Command {
	client := commandgroup.New("client", "show this computer's configuration", "  opkssh client provider list")
	provider := commandgroup.New("provider", "show the providers of this computer", "  opkssh client provider list --json")
	provider.AddCommand(providerListCommand(t))
	client.AddCommand(provider)
	return client
}

func providerListCommand(t *terminal) *cobra.Command {
	var asJSON bool
	var configPath string
	c := &cobra.Command{
		Use:   "list",
		Short: "list the providers that login can be told by alias",
		Long: `list prints the aliases, issuer and client ID of each provider, from the variable OPKSSH_PROVIDERS, else from
~/.opk/config.yml, else the presets. The one that login takes by itself is marked with a star. In a CI job, the CI
system is listed too.`,
		Example: `  opkssh client provider list
  opkssh client provider list --json | jq -r '.providers[].issuer'`,
		Args: arguments(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			config, err := clientConfig(t, configPath)
			if err != nil {
				return err
			}
			list := listProviders(config)
			if asJSON {
				return t.json(list)
			}
			list.print(t)
			return nil
		},
	}
	c.Flags().StringVar(&configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	t.verboseFlag(c)
	return c
}

func listProviders(config *login.Config) *providerList {
	list := &providerList{DefaultProvider: config.DefaultProvider, Providers: []listedClient{}}
	for _, p := range config.Providers {
		list.Providers = append(list.Providers, listedClient{Aliases: p.Aliases, Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes})
	}
	for _, s := range login.CISystems(os.Getenv, idp.Network{}) {
		if !isConfigured(config, s.Alias) {
			list.Providers = append(list.Providers, listedClient{Aliases: []string{s.Alias}, Issuer: s.Issuer, CIJob: true})
		}
	}
	return list
}

func (l *providerList) print(t *terminal) {
	for _, p := range l.Providers {
		star := " "
		for _, alias := range p.Aliases {
			if alias == l.DefaultProvider {
				star = "*"
			}
		}
		client := p.ClientID
		if p.CIJob {
			client = "(this CI job)"
		}
		t.result("%s %-18s %s  %s", star, strings.Join(p.Aliases, ", "), p.Issuer, client)
	}
}
