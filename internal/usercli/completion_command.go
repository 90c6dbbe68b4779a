package usercli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// completionScripts are the shells, each with what writes its script.
var completionScripts = []struct {
	shell string
	write func(root *cobra.Command, to io.Writer) error
}{
	{"bash", func(root *cobra.Command, to io.Writer) error { return root.GenBashCompletionV2(to, true) }},
	{"zsh", func(root *cobra.Command, to io.Writer) error { return root.GenZshCompletion(to) }},
	{"fish", func(root *cobra.Command, to io.Writer) error { return root.GenFishCompletion(to, true) }},
	{"powershell", func(root *cobra.Command, to io.Writer) error { return root.GenPowerShellCompletionWithDesc(to) }},
}

func completionCommand(t *terminal) *cobra.Command {
	var shells []string
	for _, s := range completionScripts {
		shells = append(shells, s.shell)
	}
	c := &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "print a script that lets a shell complete opkssh's commands",
		Long: `completion prints a script for bash, zsh, fish or PowerShell. With it, the shell completes commands, flags, and the
aliases of providers after login.`,
		Example: `  source <(opkssh completion bash)                                # in ~/.bashrc
  opkssh completion zsh > "${fpath[1]}/_opkssh"
  opkssh completion fish > ~/.config/fish/completions/opkssh.fish
  opkssh completion powershell | Out-String | Invoke-Expression   # in $PROFILE`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return fmt.Errorf("expected one of %s, got %q", strings.Join(shells, ", "), args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var script bytes.Buffer
			for _, s := range completionScripts {
				if s.shell != args[0] {
					continue
				}
				if err := s.write(c.Root(), &script); err != nil {
					return err
				}
			}
			_, err := script.WriteTo(t.out)
			return err
		},
	}
	t.verboseFlag(c)
	return c
}

// completeArguments lets a shell complete the alias of every command whose usage says that it takes one.
func completeArguments(root *cobra.Command) {
	eachCommand(root, func(c *cobra.Command) {
		if strings.HasSuffix(c.Use, " [ALIAS]") {
			c.ValidArgsFunction = completeAlias
		}
	})
}

// completeLogin lets a shell complete the values of login's flags.
func completeLogin(c *cobra.Command) {
	for flag, values := range map[string][]string{
		"key-type":     {string(userkeys.ECDSA), string(userkeys.Ed25519)},
		"add-to-agent": {string(login.AgentNo), string(login.AgentAuto), string(login.AgentYes), string(login.AgentOnly)},
		"provider":     nil, "principals": nil, "expires-in": nil, "timeout": nil, "remote-redirect-uri": nil, "id-token-command": nil,
	} {
		if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // there is no such flag
		}
	}
	if err := c.MarkFlagDirname("log-dir"); err != nil {
		panic(err)
	}
}

// completeAlias gives each alias with its issuer. It never prints: a configuration that cannot be read has nothing to offer.
func completeAlias(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	configPath := ""
	if f := c.Flags().Lookup("config-path"); f != nil {
		configPath = f.Value.String()
	}
	config, err := clientConfig(&terminal{in: os.Stdin, out: io.Discard, err: io.Discard}, configPath)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, p := range listProviders(config).Providers {
		for _, alias := range p.Aliases {
			offers = append(offers, cobra.CompletionWithDesc(alias, p.Issuer))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
