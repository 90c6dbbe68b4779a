package usercli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/idp"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// addOptions are the flags of config add.
type addOptions struct {
	alias, secretFile, caFile, scopes, configPath string
	dryRun, json                                  bool
}

// addition is what config add --json prints.
type addition struct {
	Issuer       string          `json:"issuer"`
	ClientID     string          `json:"client_id"`
	Aliases      []string        `json:"aliases"`
	Findings     []providerFinds `json:"findings"`
	RedirectURIs []string        `json:"redirect_uris"`
	HostsRow     string          `json:"hosts_providers_row"`
	File         string          `json:"file"`
	Added        bool            `json:"added"`
}

type providerFinds struct {
	Topic   string        `json:"topic"`
	Verdict login.Verdict `json:"verdict"`
	Detail  string        `json:"detail"`
}

func configAddCommand(t *terminal) *cobra.Command {
	var o addOptions
	c := &cobra.Command{
		Use:   "add ISSUER CLIENT_ID",
		Short: "check a provider and add it to the configuration",
		Long: `add asks the provider for its documents, says what will and will not work with it, which redirect URIs to register for
the client and which row hosts need, and puts it at the end of the providers of ~/.opk/config.yml. Everything else in
the file stays as it is. Where there is no file yet, it is made with the presets and comments.

Each line is good, unknown (the provider does not say), no (this will not work, and a login can do without) or bad (no
login will work: nothing is added).`,
		Example: `  opkssh config add https://sso.example.com opkssh --alias work
  opkssh config add https://sso.example.com opkssh --scopes 'openid email groups' --dry-run`,
		Args: arguments(2, 2, "ISSUER and CLIENT_ID"),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := o.provider(args[0], args[1])
			if err != nil {
				return err
			}
			return addProvider(c.Context(), t, p, &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.alias, "alias", "", "the provider's `NAMES` for the command line, separated by blanks (default the issuer's host)")
	f.StringVar(&o.scopes, "scopes", "", "ask for these `SCOPES`, separated by blanks (default openid profile email)")
	f.StringVar(&o.secretFile, "client-secret-file", "", "read the client secret, for a provider that insists on one, from `FILE`")
	f.StringVar(&o.caFile, "ca-file", "", "for this provider, trust the certificate authorities in `FILE`, PEM, beside the system's")
	f.StringVar(&o.configPath, "config-path", "", "add to this configuration `FILE` (default ~/.opk/config.yml)")
	f.BoolVar(&o.dryRun, "dry-run", false, "check, and write nothing")
	f.BoolVar(&o.json, "json", false, "print JSON")
	t.verboseFlag(c)
	return c
}

// provider is what the command line says.
func (o *addOptions) provider(issuer, clientID string) (login.Provider, error) {
	secret := ""
	if o.secretFile != "" {
		data, err := os.ReadFile(o.secretFile)
		if err != nil {
			return login.Provider{}, err
		}
		if secret = strings.TrimSpace(string(data)); secret == "" {
			return login.Provider{}, fmt.Errorf("%s: expected a client secret, got nothing", o.secretFile)
		}
	}
	alias := o.alias
	if u, err := url.Parse(issuer); alias == "" && err == nil {
		alias = u.Hostname()
	}
	p, err := login.NewProvider(alias, issuer, clientID, secret, scopeList(o.scopes))
	if err != nil {
		return login.Provider{}, wrongUsage(err)
	}
	p.CAFile, err = o.authorities()
	return p, err
}

// authorities is the file of --ca-file, wherever the configuration is, or "".
func (o *addOptions) authorities() (string, error) {
	if o.caFile == "" {
		return "", nil
	}
	path, err := filepath.Abs(o.caFile)
	if err == nil {
		err = idp.CheckCAFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("--ca-file: %w", err)
	}
	return path, nil
}

// scopeList is nil for the default ones.
func scopeList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

func addProvider(ctx context.Context, t *terminal, p login.Provider, o *addOptions) error {
	path, isDefault := o.configPath, o.configPath == ""
	if isDefault {
		var err error
		if path, err = defaultConfigPath(); err != nil {
			return err
		}
	}
	// What is wrong with the file or the alias is known before anybody is asked.
	if _, err := appendTo(path, p); err != nil {
		return appendHint(t, err, o.json)
	}
	findings, err := login.Examine(ctx, p, freshCache(t, p), freshCache(t, p))
	if err != nil {
		return loginError(err)
	}
	a := &addition{
		Issuer: p.Issuer, ClientID: p.ClientID, Aliases: p.Aliases, RedirectURIs: p.RedirectURIs,
		HostsRow: p.Issuer + " " + p.ClientID + " 24h", File: path,
	}
	usable := true
	for _, f := range findings {
		usable = usable && f.Verdict != login.VerdictBad
		a.Findings = append(a.Findings, providerFinds(f))
	}
	if usable && !o.dryRun {
		if isDefault {
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		if err := writeAppended(path, p); err != nil {
			return err
		}
		a.Added = true
	}
	if err := a.print(t, o.json); err != nil {
		return err
	}
	switch {
	case !usable:
		return errors.New("no login will work with this provider: nothing was added")
	case o.dryRun:
		t.note("nothing was written")
	default:
		t.note("added to %s", path)
		t.hint("opkssh login " + p.Aliases[0])
	}
	return nil
}

// appendTo gives the file with the provider in it.
func appendTo(path string, p login.Provider) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = login.DefaultConfig(), nil
	}
	if err != nil {
		return nil, err
	}
	return login.AppendProvider(path, data, p)
}

// writeAppended replaces the file in one step. A symbolic link to where somebody keeps it stays one.
func writeAppended(path string, p login.Provider) error {
	_, err := userkeys.EditSSHConfig(path, func(old []byte) ([]byte, error) {
		if len(old) == 0 {
			return appendTo(path, p)
		}
		return login.AppendProvider(path, old, p)
	})
	return err
}

// appendHint shows what to write by hand.
func appendHint(t *terminal, err error, asJSON bool) error {
	var failure *login.AppendError
	if !errors.As(err, &failure) {
		return err
	}
	if asJSON {
		return withHint(err, "without --json the text to put there by hand is printed")
	}
	for line := range strings.Lines(failure.Text) {
		t.result("%s", strings.TrimSuffix(line, "\n"))
	}
	return withHint(err, "put the lines above below providers by hand, then: opkssh config check --online")
}

// print fits on a screen.
func (a *addition) print(t *terminal, asJSON bool) error {
	if asJSON {
		return t.json(a)
	}
	t.result("provider %s, client %s", a.Issuer, a.ClientID)
	for _, f := range a.Findings {
		t.result("  %-8s %-12s %s", f.Verdict, f.Topic, f.Detail)
	}
	t.result("the provider must know these redirect URIs of the client:")
	for _, uri := range a.RedirectURIs {
		t.result("  %s", uri)
	}
	t.result("hosts need this row in /etc/opk/providers:")
	t.result("  %s", a.HostsRow)
	return nil
}
