package hostcli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
	"opkssh/internal/idp"
	"opkssh/pkg/policy"
)

// refreshTimeout is for one provider. Nobody waits for a login here.
const refreshTimeout = 15 * time.Second

// keysOptions are the flags of the keys commands.
type keysOptions struct {
	configDir, cacheDir string
	user                string
	json, verbose       bool
	all, dryRun         bool
}

func (o *keysOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.configDir, "config-dir", defaultConfigDir, "`DIR` with providers and config.yml")
	c.Flags().StringVar(&o.cacheDir, "cache-dir", defaultCacheDir, "`DIR` with the providers' keys")
	c.Flags().StringVar(&o.user, "user", "", "the `USER` that sshd runs the verifier as (default: what sshd says, else "+defaultCommandUser+")")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what is left out, and why")
}

func keysCommand() *cobra.Command {
	c := commandgroup.New("keys", "the providers' keys that this host holds", `  verifier keys list
  verifier keys refresh --all
  verifier keys export - | ssh offline-host sudo verifier keys import -`)
	c.Long = `a login needs the keys of the provider, and finds them in the cache folder. That folder belongs to the user that sshd
runs the verifier as: run by root, these commands go on as that user, so that root follows nothing which that user
has put there, and what they write is that user's.`
	c.AddCommand(keysListCommand(), keysRefreshCommand(), keysExportCommand(), keysImportCommand())
	return c
}

func keysListCommand() *cobra.Command {
	var options keysOptions
	c := &cobra.Command{
		Use:   "list",
		Short: "list the providers whose keys are held, and how old they are",
		Long: `list the providers of this host, and those of which keys are held, with the age of the keys:

  fresh     a login uses them as they are
  stale     the next login asks the provider, and uses them if it does not answer
  too-old   they are not used any more
  missing   the next login asks the provider, and fails if it does not answer

Exit status: 0 listed; 1 the folder cannot be used, or rows of providers are left out, so that issuers may be missing: standard
error names them; 2 wrong usage.`,
		Example: `  verifier keys list
  verifier keys list --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unexpected %q", args[0]))
			}
			run := keysRun{options, cmd.OutOrStdout(), cmd.ErrOrStderr()}
			return run.asCacheOwner(cmd.Context(), nil, keysArguments("list", options), run.list)
		},
	}
	options.register(c)
	c.Flags().BoolVar(&options.json, "json", false, "print a JSON array for scripts")
	return c
}

func keysRefreshCommand() *cobra.Command {
	var options keysOptions
	c := &cobra.Command{
		Use:   "refresh {--all | ISSUER...}",
		Short: "ask providers for their keys now",
		Long: `ask providers for their keys now, whatever is held: from a timer, so that no login has to wait for a provider, or before
an image is made of this host. ISSUER is one of providers, or the short name of a well-known one. One that does not
answer does not keep the others from being asked, and what is held of it stays.

Exit status: 0 all have answered; 1 one has not, or rows of providers are left out; 2 wrong usage.`,
		Example: `  verifier keys refresh --all
  verifier keys refresh https://sso.example.com google`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.all == (len(args) > 0) {
				return usageError(fmt.Errorf("expected either --all or issuers"))
			}
			run := keysRun{options, cmd.OutOrStdout(), cmd.ErrOrStderr()}
			issuers, err := run.issuers(args)
			if err != nil {
				return err
			}
			return run.asCacheOwner(cmd.Context(), nil, append(keysArguments("refresh", options), args...), func() error {
				return run.refresh(cmd.Context(), issuers)
			})
		},
	}
	options.register(c)
	c.Flags().BoolVar(&options.all, "all", false, "all of providers")
	c.Flags().BoolVar(&options.json, "json", false, "print a JSON array for scripts")
	return c
}

func keysArguments(name string, o keysOptions) []string {
	args := []string{"keys", name}
	for flag, set := range map[string]bool{"--json": o.json, "--verbose": o.verbose, "--all": o.all, "--dry-run": o.dryRun} {
		if set {
			args = append(args, flag)
		}
	}
	return args
}

// hostCache is the cache of a login, which asks providers as a login does, but with more patience.
func hostCache(dir string, config *policy.Config, timeout time.Duration, warn func(string, ...any)) *idp.Cache {
	return &idp.Cache{
		Dir:     dir,
		Network: hostNetwork(config, warn),
		TTL:     config.KeyCache.TTL, MaxStale: config.KeyCache.MaxStale,
		MinRefresh: config.KeyCache.MinRefresh, Timeout: max(timeout, config.KeyCache.Timeout),
		Warn: warn,
	}
}
