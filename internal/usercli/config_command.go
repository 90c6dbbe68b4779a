package usercli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
	"opkssh/internal/idp"
	"opkssh/internal/login"
)

func configCommand(t *terminal) *cobra.Command {
	c := commandgroup.New("config", "add providers to this computer's configuration, and check it",
		"  opkssh config add https://sso.example.com opkssh --alias work\n  opkssh config check --online")
	c.AddCommand(configAddCommand(t), configCheckCommand(t))
	return c
}

func configCheckCommand(t *terminal) *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "check the configuration file",
		Long: `check reads the configuration, ~/.opk/config.yml unless FILE is named, as login does, and says what cannot be used in
which line. With --online it also asks each provider what will not work with it.`,
		Example: `  opkssh config check
  opkssh config check --online config.yml`,
		Args: arguments(0, 1, "at most one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			return checkConfig(c.Context(), t, path, online)
		},
	}
	c.Flags().BoolVar(&online, "online", false, "ask the providers, too")
	t.verboseFlag(c)
	return c
}

func checkConfig(ctx context.Context, t *terminal, path string, online bool) error {
	name, config, err := readConfig(path)
	if wrong := (*login.ConfigError)(nil); errors.As(err, &wrong) && len(wrong.Others) > 0 {
		for _, e := range wrong.All() {
			t.note("%v", e)
		}
		return fmt.Errorf("%s: %s", name, count(len(wrong.All()), "mistake"))
	}
	if err != nil {
		return err
	}
	for _, variable := range []string{"OPKSSH_PROVIDERS", "OPKSSH_DEFAULT"} {
		if os.Getenv(variable) != "" {
			t.note("warning: the variable %s is set, and counts more than the configuration", variable)
		}
	}
	if !online {
		t.result("%s: good, %s", name, count(len(config.Providers), "provider"))
		return nil
	}
	broken := 0
	for _, p := range config.Providers {
		if !checkOnline(ctx, t, p) {
			broken++
		}
	}
	if broken > 0 {
		return fmt.Errorf("%s: no login will work with %s of %d", name, count(broken, "provider"), len(config.Providers))
	}
	return nil
}

// readConfig is the file as it is, without the variables.
func readConfig(path string) (name string, config *login.Config, err error) {
	required := path != ""
	if !required {
		if path, err = defaultConfigPath(); err != nil {
			return "", nil, err
		}
	}
	data, err := os.ReadFile(path)
	if !required && errors.Is(err, fs.ErrNotExist) {
		return "presets (there is no configuration file)", &login.Config{Providers: login.Presets()}, nil
	}
	if err != nil {
		return "", nil, err
	}
	config, err = parseConfig(path, data, idp.CheckCAFile)
	return path, config, err
}

// checkOnline prints a line for the provider, and one for everything that keeps people from logging in.
func checkOnline(ctx context.Context, t *terminal, p login.Provider) bool {
	alias := strings.Join(p.Aliases, ", ")
	findings, err := login.Examine(ctx, p, freshCache(t, p), freshCache(t, p))
	if err != nil {
		t.result("%-8s %s: %v", login.VerdictBad, alias, err)
		return false
	}
	good := true
	for _, f := range findings {
		if f.Verdict == login.VerdictBad {
			t.result("%-8s %s: %s: %s", f.Verdict, alias, f.Topic, f.Detail)
			good = false
		}
	}
	if good {
		t.result("%-8s %s: %s", login.VerdictGood, alias, p.Issuer)
	}
	return good
}

// freshCache asks the provider whatever is held.
func freshCache(t *terminal, p login.Provider) *idp.Cache {
	cache := providerCache(t, p)
	cache.Dir = ""
	return cache
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
