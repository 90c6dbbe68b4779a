package usercli

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// withRefresh asks the provider for a refresh token too.
func (o *loginOptions) withRefresh(provider login.Provider) login.Provider {
	provider.Refresh = provider.Refresh || o.autoRefresh
	return provider
}

// checkAutoRefresh refuses what leaves nothing to renew, or nothing to renew it with.
func (o *loginOptions) checkAutoRefresh() error {
	switch {
	case o.autoRefresh && o.printKey:
		return wrongUsage(errors.New("expected --auto-refresh or --print-key, got both"))
	case o.autoRefresh && (o.idTokenFile != "" || o.idTokenCommand != ""):
		return wrongUsage(errors.New("--auto-refresh: a job has no refresh token"))
	}
	return nil
}

// checkRenewable refuses --auto-refresh where a new certificate would find no place.
func (o *loginOptions) checkRenewable(p *keyPlace) error {
	if o.autoRefresh && p.use == login.AgentOnly {
		return wrongUsage(errors.New("--auto-refresh: a key that is in an ssh-agent alone cannot be renewed there"))
	}
	return nil
}

// certificateEnd is what the person or the settings say. Where hosts go by the newest ID token, its end is the certificate's,
// unless something else was said.
func certificateEnd(provider login.Provider, result *login.Result) time.Time {
	if lasts := lifetime(provider); lasts != 0 {
		return lasts.End(time.Now())
	}
	return result.Verified.ExpiresAt()
}

// lifetime is how long certificates of a provider last, 0 if the newest ID token alone says it.
func lifetime(provider login.Provider) login.Lifetime {
	if provider.Refresh || provider.ExpiresIn != 0 {
		return provider.ExpiresIn
	}
	return login.DefaultLifetime
}

// chooseForHosts takes the files that ssh was told of for the provider's hosts.
func (p *keyPlace) chooseForHosts(sshFolder string, provider login.Provider) error {
	if err := os.MkdirAll(filepath.Join(sshFolder, userkeys.Folder), 0o700); err != nil {
		return err
	}
	pair := userkeys.ForHosts(sshFolder, provider.Aliases[0])
	p.pair, p.forHosts = &pair, true
	return pair.Available()
}
