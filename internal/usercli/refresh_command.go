package usercli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/keychain"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// refreshReport is what refresh --json prints of each key.
type refreshReport struct {
	Issuer      string     `json:"issuer"`
	Subject     string     `json:"subject"`
	Email       string     `json:"email,omitempty"`
	Key         string     `json:"private_key_file"`
	Renewed     bool       `json:"renewed"`
	ExpiresAt   *time.Time `json:"id_token_expires_at,omitempty"`
	ValidBefore *time.Time `json:"certificate_valid_before,omitempty"`
	Error       string     `json:"error,omitempty"`
}

func refreshCommand(t *terminal) *cobra.Command {
	var s keySelection
	var ifDue, asJSON bool
	c := &cobra.Command{
		Use:   "refresh [ALIAS]",
		Short: "renew keys with the provider's refresh token, without a login",
		Long: `refresh asks the provider for a new ID token, and puts it into the key's certificate. The key stays the same. Without
ALIAS and -i it renews every key whose login left a refresh token.

Hosts whose providers file says oidc_refreshed accept the key until the new ID token expires. Hosts that say oidc, or a
time such as 24h, count from the login: there only a new login helps.`,
		Example: `  opkssh refresh
  opkssh refresh work
  opkssh refresh --if-due`,
		Args: arguments(0, 1, "at most one ALIAS"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.alias = args[0]
			}
			if err := s.check(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop)
			reports, err := refreshKeys(ctx, t, s, ifDue)
			if asJSON {
				return errors.Join(t.json(reports), err)
			}
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&ifDue, "if-due", false, "renew a key only when its ID token has lived two thirds of its life, for timers")
	f.StringVarP(&s.file, "private-key-file", "i", "", "renew the key in `FILE`")
	f.StringVar(&s.configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	f.BoolVar(&asJSON, "json", false, "print what was renewed as JSON")
	t.verboseFlag(c)
	return c
}

// refreshKeys renews the keys of the selection. One that fails does not keep the others from being renewed.
func refreshKeys(ctx context.Context, t *terminal, s keySelection, ifDue bool) ([]refreshReport, error) {
	reports := []refreshReport{}
	list, err := keysInFiles(s.file)
	if err != nil {
		return reports, err
	}
	match, err := s.matcher(t, list)
	if err != nil {
		return reports, err
	}
	config, err := clientConfig(t, s.configPath)
	if err != nil {
		return reports, err
	}
	list = slices.DeleteFunc(list, func(id userkeys.Identity) bool { return id.Pair.Key == "" || !match(id) })
	if len(list) == 0 {
		return reports, withHint(errors.New("no key that login wrote is here"), "opkssh login")
	}
	store, err := refreshTokens()
	if err != nil {
		return reports, err
	}
	named := s.alias != "" || s.file != ""
	var failed error
	for _, id := range list {
		report, err := refreshKey(ctx, t, config, store, id, ifDue)
		var failure *login.Error
		if !named && len(list) > 1 && errors.As(err, &failure) && failure.Code == login.CodeNoRefreshToken {
			t.detail("%s: no refresh token is kept", id.Pair.Key)
			continue
		}
		if err != nil {
			report.Error = err.Error()
			if failed == nil {
				failed = err
			} else {
				t.note("opkssh: %v", err)
			}
		}
		reports = append(reports, report)
	}
	if len(reports) == 0 {
		return reports, loginError(&login.Error{Code: login.CodeNoRefreshToken, Detail: "no login left a refresh token", Hint: login.RefreshTokenHint})
	}
	return reports, failed
}

func refreshKey(
	ctx context.Context, t *terminal, config *login.Config, store *keychain.Store, id userkeys.Identity, ifDue bool,
) (refreshReport, error) {
	r := renewal{pair: id.Pair, configured: config.Providers, agentLifetime: config.AgentLifetime, store: store, due: func(id userkeys.Identity) bool {
		return !ifDue || !wallClock().Before(tokenDue(id, chance()))
	}}
	now, renewed, err := r.run(ctx, t)
	if err == nil {
		id = now
		state := "not due"
		if renewed {
			state = "renewed"
		}
		t.note("%s: %s at %s, ID token %s", state, id.Account(), id.Issuer, expiryText(id.TokenExpires, time.Now()))
	}
	report := refreshReport{Issuer: id.Issuer, Subject: id.Subject, Email: id.Email, Key: id.Pair.Key, Renewed: renewed}
	if !id.TokenExpires.IsZero() {
		at := id.TokenExpires.UTC()
		report.ExpiresAt = &at
	}
	if !id.ValidBefore.IsZero() {
		at := id.ValidBefore.UTC()
		report.ValidBefore = &at
	}
	return report, err
}

// providerOf finds the settings of the client that has logged in, nil if there are none by now. Of several under the same client ID those
// come first that have the name of the login. If nobody knows which client it was, "", it is one whose hosts accept the ID token, and
// the one that the key is named after comes first.
func providerOf(providers []login.Provider, id userkeys.Identity, client string) *login.Provider {
	fits := func(p login.Provider) bool { return p.Issuer == id.Issuer && p.ClientID == client }
	better := func(p login.Provider) bool { return slices.Contains(p.Aliases, id.Alias) }
	if client == "" {
		fits = func(p login.Provider) bool { return id.At(p.Issuer, p.ClientID, p.Aliases) }
		better = func(p login.Provider) bool { return p.ClientID == id.ClientID }
	}
	var found *login.Provider
	for _, p := range providers {
		if fits(p) && (found == nil || !better(*found) && better(p)) {
			found = &p
		}
	}
	return found
}
