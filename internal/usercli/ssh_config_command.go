package usercli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

func sshConfigCommand(t *terminal) *cobra.Command {
	var configPath string
	var install, uninstall bool
	c := &cobra.Command{
		Use:   "ssh-config",
		Short: "print or install the lines that let ssh log in when it needs to",
		Long: `ssh-config prints lines for ~/.ssh/config, a block for each provider of ~/.opk/config.yml that has hosts. With them, ssh
runs "opkssh ensure" before it connects to one of these hosts, and uses the key ~/.ssh/opkssh/ALIAS.

--install writes them to ~/.ssh/opkssh/hosts, and puts the line "Include ~/.ssh/opkssh/hosts" on top of ~/.ssh/config;
--uninstall removes both. Nothing else in ~/.ssh/config changes. Install again after a change of hosts.`,
		Example: `  opkssh ssh-config
  opkssh ssh-config --install`,
		Args: arguments(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			switch {
			case install && uninstall:
				return wrongUsage(errors.New("expected --install or --uninstall, got both"))
			case uninstall:
				return uninstallHostConfig(t)
			}
			return sshConfig(t, configPath, install)
		},
	}
	f := c.Flags()
	f.BoolVar(&install, "install", false, "write the lines where ssh reads them")
	f.BoolVar(&uninstall, "uninstall", false, "remove what --install wrote")
	f.StringVar(&configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	t.verboseFlag(c)
	return c
}

func sshConfig(t *terminal, configPath string, install bool) error {
	config, err := clientConfig(t, configPath)
	if err != nil {
		return err
	}
	folder, err := keyFolder()
	if err != nil {
		return err
	}
	blocks := hostBlocks(folder, config)
	if len(blocks) == 0 {
		return withHint(errors.New("no provider has hosts"), hostsHint(`add a line such as hosts: ["*.example.com"] to a provider`, configPath))
	}
	command, err := ourCommand()
	if err != nil {
		return err
	}
	if configPath != "" {
		return withHint(errors.New("--config-path: ssh runs opkssh without it"), "put the configuration into ~/.opk/config.yml")
	}
	text := userkeys.HostConfig(command, blocks)
	if !install {
		for line := range strings.Lines(string(text)) {
			t.result("%s", strings.TrimSuffix(line, "\n"))
		}
		return nil
	}
	changed, err := userkeys.InstallHostConfig(folder, text)
	for _, name := range changed {
		t.note("wrote %s", name)
	}
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		t.note("ssh is set up already")
	}
	return nil
}

func hostBlocks(folder string, config *login.Config) []userkeys.HostBlock {
	var blocks []userkeys.HostBlock
	for _, p := range config.Providers {
		if len(p.Hosts) == 0 {
			continue
		}
		id, found := userkeys.Read(userkeys.ForHosts(folder, p.Aliases[0]))
		blocks = append(blocks, userkeys.HostBlock{
			Patterns: p.Hosts,
			Alias:    p.Aliases[0],
			InAgent:  p.AddToAgent == login.AgentOnly || found && id.Mark.InAgent && !id.HasKeyFile,
		})
	}
	return blocks
}

func uninstallHostConfig(t *terminal) error {
	folder, err := keyFolder()
	if err != nil {
		return err
	}
	changed, err := userkeys.UninstallHostConfig(folder)
	for _, name := range changed {
		t.note("changed or removed %s", name)
	}
	if err == nil && len(changed) == 0 {
		t.note("nothing was installed")
	}
	return err
}

// ourCommand is how ssh can run this program: by its name if PATH has it, so that it may be updated, else by its path.
func ourCommand() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if found, err := exec.LookPath("opkssh"); err == nil && isSameFile(found, self) {
		return "opkssh", nil
	}
	path := filepath.ToSlash(self)
	// A shell, or ssh_config itself, takes other characters for something else.
	if strings.ContainsFunc(path, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("/._-:+@", r)
	}) {
		return "", withHint(fmt.Errorf("%+q cannot stand in ssh_config as a command", self), "move opkssh into a folder of PATH")
	}
	return path, nil
}

func isSameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
