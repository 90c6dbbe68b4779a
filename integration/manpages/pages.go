package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opkssh/internal/hostcli"
	"opkssh/internal/usercli"
)

// pages gives the text of each page by the name of its file.
func pages() map[string]string {
	hostCommands := hostcli.Commands()
	var shared []string
	for _, c := range hostCommands {
		if !c.Hidden {
			shared = append(shared, c.Name())
		}
	}
	opkssh := &page{}
	opkssh.head(usercli.Commands(hostCommands...), "OPKSSH", func(c *cobra.Command) bool { return !slices.Contains(shared, c.Name()) })
	opkssh.section("COMMANDS OF HOSTS")
	opkssh.paragraphs("opkssh has all commands of verifier(1), too: " + strings.Join(shared, ", ") + ".")
	opkssh.section("EXIT STATUS")
	opkssh.paragraphs("0 done, 1 refused or failed, 2 wrong usage. That of status and ensure says more: see there.")
	opkssh.section("ENVIRONMENT")
	opkssh.entry("OPKSSH_DEFAULT", "the alias of the provider where none is named; WEBCHOOSER to be asked")
	opkssh.entry("OPKSSH_PROVIDERS", "ALIAS,ISSUER,CLIENT_ID[,CLIENT_SECRET[,SCOPES]], several separated by semicolons, in the place of the file's providers")
	opkssh.entry("BROWSER", "the browser to start")
	opkssh.entry("HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR", "how providers are reached")
	opkssh.section("FILES")
	opkssh.entry("~/.opk/config.yml", "providers, and how to log in with them")
	opkssh.entry("~/.ssh/id_ecdsa, ~/.ssh/id_ecdsa-cert.pub", "the key and its certificate")
	opkssh.section("SEE ALSO")
	opkssh.paragraphs("verifier(1), ssh(1), ssh_config(5)")

	verifier := &page{}
	verifier.head(hostcli.Root(), "VERIFIER", func(*cobra.Command) bool { return true })
	verifier.section("EXIT STATUS")
	verifier.paragraphs("0 done, 1 refused or failed, 2 wrong usage.")
	verifier.section("FILES")
	verifier.entry("/etc/opk/providers", "providers, clients, and for how long their logins count")
	verifier.entry("/etc/opk/auth_id, ~/.opk/auth_id", "who may log in as whom")
	verifier.entry("/etc/opk/config.yml", "settings, and whom to deny")
	verifier.entry("/etc/opk/policy.d", "policy plugins")
	verifier.entry("/var/cache/opkssh", "keys of providers")
	verifier.section("SEE ALSO")
	verifier.paragraphs("opkssh(1), sshd(8), sshd_config(5)")
	return map[string]string{"opkssh.1": opkssh.text(), "verifier.1": verifier.text()}
}

// head is what a program's page starts with, up to its commands.
func (p *page) head(root *cobra.Command, title string, wanted func(*cobra.Command) bool) {
	p.title(title, root.Name(), root.Short)
	p.section("SYNOPSIS")
	p.line(bold(root.Name()) + " " + italic("COMMAND") + " [" + italic("ARGUMENTS") + "]")
	p.section("DESCRIPTION")
	long := root.Long
	if long == "" {
		long = root.Name() + ": " + root.Short + "."
	}
	p.paragraphs(long)
	if root.Example != "" {
		p.verbatim(root.Example)
	}
	p.section("COMMANDS")
	for _, c := range root.Commands() {
		if wanted(c) {
			p.command(c)
		}
	}
}

// command is a command with its flags and example, or those below it.
func (p *page) command(c *cobra.Command) {
	if c.Hidden || c.Deprecated != "" || c.Name() == "help" {
		return
	}
	if c.HasSubCommands() {
		for _, sub := range c.Commands() {
			p.command(sub)
		}
		return
	}
	name := c.CommandPath()
	p.subsection(bold(name) + escape(strings.TrimPrefix(c.Use, c.Name())))
	text := c.Long
	if text == "" {
		text = c.Short
	}
	p.paragraphs(text)
	flags := func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			p.flag(f)
		}
	}
	c.LocalFlags().VisitAll(flags)
	c.InheritedFlags().VisitAll(flags)
	if c.Example != "" {
		p.label("Example:")
		p.verbatim(c.Example)
	}
}

// emptyValues are defaults that say nothing.
var emptyValues = []string{"", "false", "0", "0s", "[]"}

func (p *page) flag(f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	term := bold("--" + f.Name)
	if f.Shorthand != "" {
		term = bold("-"+f.Shorthand) + ", " + term
	}
	if value != "" {
		term += " " + italic(value)
	}
	if !strings.Contains(usage, "(default") && !slices.Contains(emptyValues, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	p.tagged(term, escape(strings.ReplaceAll(usage, "\n", " ")))
}
