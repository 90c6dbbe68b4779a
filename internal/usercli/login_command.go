package usercli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// loginOptions are the flags of login.
type loginOptions struct {
	provider          string
	keyType           string
	file              string
	configPath        string
	createConfig      bool
	noBrowser         bool
	flow              string // "": the provider's
	remoteRedirectURI string
	sendAccessToken   bool
	principals        []string
	expiresIn         login.Lifetime
	addToAgent        login.AgentUse // "": the provider's
	agentConfirm      bool
	agentLifetime     login.AgentLifetime // 0: the configuration's
	configure         bool
	autoRefresh       bool
	timeout           time.Duration
	json              bool
	printKey          bool
	printIDToken      bool
	inspectCert       bool
	logDir            string
	idTokenFile       string
	idTokenCommand    string

	accessTokenSaid bool               // sendAccessToken is not the provider's
	confirmSaid     bool               // nor is agentConfirm
	asBefore        bool               // nobody typed these: they are an earlier login's
	chooser         *login.ChooserPage // the page on which the provider was chosen, or nil
}

func loginCommand(t *terminal) *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use:   "login [ALIAS]",
		Short: "log in with an OpenID provider and write a key for ssh",
		Long: `login opens the provider's login page in the browser, and writes a private key and its certificate for ssh. Where
there is no browser, --flow paste lets you log in on any computer and carry the answer over, and --flow device, with
providers that support it, lets you enter a code elsewhere.

The key is ~/.ssh/id_ecdsa (-t ed25519: id_ed25519), which ssh uses without being told. A login replaces the key of an
earlier login. It never replaces anybody's own key: where one stands, the key is id_ecdsa_sk (id_ed25519_sk).

The provider is ALIAS, a provider of ~/.opk/config.yml, or without that file one of google, azure, gitlab and hello.
--provider names one that is in no file. Without either, the default provider counts: the variable OPKSSH_DEFAULT, then
default_provider of the file. The variable OPKSSH_PROVIDERS, ALIAS,ISSUER,CLIENT_ID[,CLIENT_SECRET[,SCOPES]] and more of
these after semicolons, replaces the file's providers. Where there are several and no default, you choose one on a
page in the browser, or at the terminal where no browser is.

A job of GitHub Actions, Forgejo Actions or GitLab CI logs in as itself with github, forgejo or gitlab-ci, and any other
job that can get an ID token with --id-token-command or --id-token-file. Nobody is asked then.`,
		Example: `  opkssh login
  opkssh login google
  opkssh login --provider https://sso.example.com,opkssh
  opkssh login --id-token-command 'buildkite-agent oidc request-token --audience {commitment}'
  opkssh login -t ed25519 -i ~/work/key && ssh -i ~/work/key USER@HOST`,
		Args: arguments(0, 1, "at most one ALIAS"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.createConfig {
				return createConfig(t, o.configPath)
			}
			if o.configure {
				return configureFolder(t)
			}
			if err := o.check(c.Flags(), args); err != nil {
				return err
			}
			if err := t.openLog(o.logDir); err != nil {
				return err
			}
			alias := ""
			if len(args) > 0 {
				alias = args[0]
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			return o.endChoice(runLogin(ctx, t, alias, &o))
		},
	}
	f := c.Flags()
	f.StringVar(&o.provider, "provider", "", "log in with `ISSUER,CLIENT_ID[,CLIENT_SECRET[,SCOPES]]`")
	f.StringVarP(&o.keyType, "key-type", "t", string(userkeys.ECDSA), "make a key of this `TYPE`: ecdsa or ed25519")
	f.StringVarP(&o.file, "private-key-file", "i", "", "write the private key to `FILE`, and the certificate to FILE-cert.pub")
	f.StringVar(&o.configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	f.BoolVar(&o.createConfig, "create-config", false, "write a commented configuration file where there is none, and end")
	flowFlag(c, &o)
	f.BoolVar(&o.noBrowser, "disable-browser-open", false, "print the login page's address and open no browser")
	f.StringVar(&o.remoteRedirectURI, "remote-redirect-uri", "", "send the provider this redirect `URI`, from which something forwards to the local one")
	f.BoolVar(&o.sendAccessToken, "send-access-token", false,
		"put the access token into the certificate: every host that the key is offered to can act for you at the provider with it")
	f.StringSliceVar(&o.principals, "principals", nil, "make the certificate for these user `NAMES` on hosts alone, separated by commas")
	f.Var(&o.expiresIn, "expires-in",
		"let the certificate end after this `DURATION`, such as 8h, or never (default expires_in of the provider, else 24h); hosts may end it earlier")
	f.Var(&o.addToAgent, "add-to-agent",
		"give the key to the ssh-agent: `WHEN` is no, auto (if there is one), yes, or only (and write no private key) (default add_to_agent of the provider, else no)")
	f.BoolVar(&o.agentConfirm, "agent-confirm", false, "have the agent ask before each use of the key; false: it does not, whatever the configuration says")
	f.Var(&o.agentLifetime, "lifetime",
		"have the agent drop the key this `DURATION`, such as 12h, or a number of seconds, after the login or its last refresh (default agent_lifetime of the configuration, else the certificate's end, which is the latest)")
	f.BoolVar(&o.configure, "configure", false, "set up ~/.ssh/opkssh with a key for each account, include it in ~/.ssh/config, and end")
	f.BoolVar(&o.autoRefresh, "auto-refresh", false, "stay, and renew the key with the provider's refresh token until Ctrl-C")
	f.DurationVar(&o.timeout, "timeout", login.DefaultTimeout, "give up when nobody has logged in for this `DURATION`")
	f.BoolVar(&o.json, "json", false, "print who logged in and the files as JSON")
	f.BoolVarP(&o.printKey, "print-key", "p", false, "print the certificate and the private key to standard output, and write no files")
	f.BoolVar(&o.printIDToken, "print-id-token", false, "print the claims of the ID token as JSON")
	f.BoolVar(&o.inspectCert, "inspect-cert", false, "print what inspect would say about the certificate")
	f.StringVar(&o.logDir, "log-dir", "", "append what happens, without secrets, to opkssh.log in the folder `DIR`")
	f.StringVar(&o.idTokenFile, "id-token-file", "", "in a job: take the ID token from `FILE` (- is standard input)")
	f.StringVar(&o.idTokenCommand, "id-token-command", "",
		"in a job: take the ID token that `COMMAND` prints; "+login.CommitmentWord+" in it, and the variable "+login.CommitmentVariable+", is what to ask for as the audience")
	completeLogin(c)
	t.verboseFlag(c)
	return c
}

// emptyValues is how pflag writes each type's empty value.
var emptyValues = map[string]string{"string": "", "stringSlice": "[]", "duration": "0s"}

// check refuses what makes no sense before anything is asked or done. An empty value is more likely a script's empty variable
// than a wish for the default, which may allow more.
func (o *loginOptions) check(flags *pflag.FlagSet, args []string) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.String() == emptyValues[f.Value.Type()] {
			err = wrongUsage(fmt.Errorf("--%s: expected a value, got %q", f.Name, f.Value))
		}
	})
	if err != nil {
		return err
	}
	o.accessTokenSaid, o.confirmSaid = flags.Changed("send-access-token"), flags.Changed("agent-confirm")
	switch {
	case len(args) > 0 && o.provider != "":
		return wrongUsage(errors.New("expected an alias or --provider, got both"))
	case o.timeout <= 0:
		return wrongUsage(fmt.Errorf("--timeout: expected a positive duration, got %s", o.timeout))
	}
	if _, err := userkeys.ParseKeyType(o.keyType); err != nil {
		return wrongUsage(err)
	}
	if err := sshcert.CheckPrincipals(o.principals); err != nil {
		return wrongUsage(fmt.Errorf("--principals: %w", err))
	}
	if err := o.checkFlow(); err != nil {
		return err
	}
	if err := o.checkAutoRefresh(); err != nil {
		return err
	}
	if err := o.checkJob(args); err != nil {
		return err
	}
	return o.checkOutput()
}

// runLogin is a login from the choice of the provider to the key's files.
func runLogin(ctx context.Context, t *terminal, alias string, o *loginOptions) error {
	provider, err := chooseProvider(ctx, t, alias, o)
	if err != nil {
		return loginError(err)
	}
	if o.remoteRedirectURI != "" {
		provider.RemoteRedirectURI = o.remoteRedirectURI
	}
	if o.accessTokenSaid {
		provider.SendAccessToken = o.sendAccessToken
	}
	if o.confirmSaid {
		provider.AgentConfirm = o.agentConfirm
	}
	if o.agentLifetime != 0 {
		provider.AgentLifetime = o.agentLifetime
	}
	place, err := openKeyPlace(ctx, t, provider, o)
	if err != nil {
		return err
	}
	defer place.close()
	t.detail("provider %s, client ID %s, scopes %s", provider.Issuer, provider.ClientID, strings.Join(provider.Scopes, " "))

	key, err := userkeys.Generate(userkeys.KeyType(o.keyType))
	if err != nil {
		return err
	}
	client, err := pktoken.NewClientInstance(rand.Reader, key, nil)
	if err != nil {
		return err
	}
	result, err := logIn(ctx, t, o.withRefresh(provider), o, key, client)
	if o.endChoice(err) != nil {
		return loginError(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	if o.expiresIn != 0 {
		provider.ExpiresIn = o.expiresIn
	}
	template := sshcert.Template{Principals: o.principals, ValidBefore: certificateEnd(provider, result)}
	if provider.SendAccessToken {
		template.AccessToken = result.AccessToken
	}
	cert, err := newCertificate(signer, result.Token, template)
	if err != nil {
		return err
	}
	stored, err := place.store(t, key, cert)
	if err != nil {
		return err
	}
	if !stored.printed {
		keepRefreshToken(ctx, t, provider, o.entry(provider, result.RefreshToken), stored.pair, cert)
	}
	if err := place.updateAgent(ctx, t, &stored, key, cert); err != nil {
		return err
	}
	report := reportLogin(result.Verified, cert, stored)
	report.print(t, o.file != "")
	if result.Verified.Provider().AllowAccessTokenType {
		t.hint("the provider's ID tokens call themselves at+jwt: hosts need typ=at+jwt in its row of /etc/opk/providers")
	}
	if template.AccessToken != "" {
		t.note("warning: the certificate holds your access token: every host that the key is offered to can act for you at the provider with it")
		if strings.EqualFold(result.TokenType, "DPoP") {
			t.note("warning: the provider bound the access token to the key, so that hosts cannot ask for userinfo with it")
		}
	}
	if o.json {
		err = t.json(report)
	} else {
		err = t.printLogin(o, key, cert, result)
	}
	if err != nil || !o.autoRefresh {
		return err
	}
	return keepRenewing(ctx, t, stored.pair, provider, result.RefreshToken)
}
