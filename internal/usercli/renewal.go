package usercli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/keychain"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// renewal renews the key in a pair of files: the same key gets a new certificate, whose PK token holds a refreshed ID token.
type renewal struct {
	pair     userkeys.Pair
	provider *login.Provider // nil: that of the client that has logged in. A key of another provider is not renewed
	// configured are the providers to look for that client in. One that is not there has the settings that the login kept.
	configured    []login.Provider
	agentLifetime login.AgentLifetime // as the login or the configuration has it
	// key is the one that has to be there. nil: whichever is there.
	key *keychain.Key
	// store is where refresh tokens are kept. nil: one for this key alone, which asks a keychain that did not answer anew.
	store *keychain.Store
	// due says whether the key that is there, once nobody else renews it, is still to be renewed.
	due func(userkeys.Identity) bool
}

// run gives the key that is there afterwards. renewed is false if it was not due: another process may have been faster.
func (r *renewal) run(ctx context.Context, t *terminal) (id userkeys.Identity, renewed bool, err error) {
	id, err = readIdentity(r.pair)
	if err != nil {
		return id, false, err
	}
	store := r.store
	if store == nil {
		if store, err = refreshTokens(); err != nil {
			return id, false, err
		}
	}
	key := keyOf(id)
	if r.key != nil {
		key = *r.key
	}
	unlock, err := store.Lock(ctx, key)
	if err != nil {
		return id, false, err
	}
	defer unlock()
	if id, err = readIdentity(r.pair); err != nil {
		return id, false, err
	}
	if keyOf(id) != key {
		return id, false, userkeys.ErrReplaced
	}
	if !r.due(id) {
		return id, false, nil
	}
	err = r.renew(ctx, t, store, id)
	if err != nil {
		return id, false, err
	}
	id, err = readIdentity(r.pair)
	return id, err == nil, err
}

func readIdentity(pair userkeys.Pair) (userkeys.Identity, error) {
	id, found := userkeys.Read(pair)
	switch {
	case !found:
		return id, withHint(fmt.Errorf("%s: no certificate that login wrote", pair.Certificate), "opkssh login")
	case id.Problem != "":
		return id, withHint(errors.New(id.Problem), "opkssh login")
	}
	return id, nil
}

// renew wants the key's lock.
func (r *renewal) renew(ctx context.Context, t *terminal, store *keychain.Store, id userkeys.Identity) error {
	old, err := sshcert.FromKey(id.Certificate)
	if err != nil {
		return err
	}
	token, err := old.PKToken()
	if err != nil {
		return err
	}
	if id.Mark.InAgent {
		// An agent takes a certificate together with the private key alone, which it does not give back.
		return withHint(errors.New("the private key is in an ssh-agent alone, where its certificate cannot be renewed"),
			"log in with --add-to-agent yes, or again when the key expires")
	}
	private, err := r.pair.PrivateKey()
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	if p := r.provider; p != nil && !id.At(p.Issuer, p.ClientID, nil) {
		// Another provider must not see the refresh token.
		return withHint(fmt.Errorf("the key is from client %s of %s, and the provider is now client %s of %s",
			id.ClientID, id.Issuer, p.ClientID, p.Issuer), "opkssh login")
	}
	key := keyOf(id)
	entry, err := store.Get(key)
	if errors.Is(err, keychain.ErrNone) {
		entry, err = adopt(ctx, store, key, r.pair)
	}
	if err != nil && !errors.Is(err, keychain.ErrNone) {
		return err
	}
	provider := r.asAtLogin(r.settings(id, entry), entry)
	provider.KeyBinding = isKeyBound(token)
	flow := loginFlow(t, provider, &loginOptions{})
	flow.UserKey = private
	result, err := flow.Refresh(ctx, token, entry.RefreshToken, func(next string) error {
		if next == entry.RefreshToken {
			return nil
		}
		kept := entry
		kept.RefreshToken, kept.ClientID, kept.ClientSecret = next, provider.ClientID, provider.ClientSecret
		return putRefreshToken(t, store, key, kept, r.pair)
	})
	if failure := (*login.Error)(nil); errors.As(err, &failure) && failure.Code == login.CodeCanceled {
		return errors.New("interrupted: the certificate is as it was")
	}
	if err != nil {
		return loginError(err)
	}
	template := sshcert.Template{
		Principals:  id.Certificate.ValidPrincipals,
		ValidBefore: renewedEnd(provider, id, result.Token, time.Now()),
	}
	if old.AccessToken() != "" {
		template.AccessToken = result.AccessToken
	}
	cert, err := newCertificate(signer, result.Token, template)
	if err != nil {
		return err
	}
	if err := r.pair.Renew(cert); err != nil {
		return err
	}
	// A key that had ended may not be listed any more.
	if folder, err := keyFolder(); err == nil && userkeys.Configured(folder) {
		if _, err := userkeys.UpdateFolderConfig(folder, time.Now()); err != nil {
			t.note("warning: %v", err)
		}
	}
	if err := replaceInAgent(ctx, t, id, func(agent *userkeys.Agent, held userkeys.Identity) error {
		until, err := giveToAgent(t, agent, private, cert, held.Alias, agentConstraints(provider))
		if refused := (*userkeys.RefusedError)(nil); !errors.As(err, &refused) { // else it holds what it held, as long as it did
			markAgent(t, r.pair, cert, id.Mark, until, err)
		}
		return err
	}); err != nil {
		t.note("warning: %v", err)
	}
	return nil
}

// settings are those to refresh with. Hosts may accept the ID token for several clients, but a refresh token is of use to its own
// client alone (RFC 6749 §6), with the secret that this one has now.
func (r *renewal) settings(id userkeys.Identity, e keychain.Entry) login.Provider {
	id.Alias = cmp.Or(e.Alias, id.Alias) // not every file says it
	own := login.ProviderOf(id.Issuer, cmp.Or(e.ClientID, id.ClientID), e.ClientSecret)
	if p := providerOf(r.configured, id, e.ClientID); p != nil {
		own = *p
	}
	if r.provider == nil {
		return own
	}
	provider := *r.provider
	if e.ClientID != "" && e.ClientID != provider.ClientID {
		provider.ClientID, provider.ClientSecret = own.ClientID, own.ClientSecret
	}
	return provider
}

// asAtLogin adds what the login was told by flags, which no configuration knows. Else the settings count where they are stricter than what
// counted at the login: they may be those of another configuration, or of another provider for the same client.
func (r *renewal) asAtLogin(provider login.Provider, e keychain.Entry) login.Provider {
	provider.ExpiresIn = cmp.Or(login.Lifetime(e.ExpiresIn), shorter(login.Lifetime(e.AtLogin.ExpiresIn), lifetime(provider)))
	provider.AgentConfirm = !e.NoConfirm && (provider.AgentConfirm || e.AgentConfirm || e.AtLogin.AgentConfirm)
	provider.AgentLifetime = cmp.Or(login.AgentLifetime(e.AgentLifetime), shorter(login.AgentLifetime(e.AtLogin.AgentLifetime), r.agentLifetime))
	return provider
}

// shorter passes over what is not positive, which is no limit.
func shorter[D ~int64](a, b D) D {
	if a > 0 && (b <= 0 || a < b) {
		return a
	}
	return b
}

// isKeyBound is whether the provider put the key into the ID token (OpenID Connect Key Binding).
func isKeyBound(token *pktoken.Token) bool {
	header, _ := token.UnverifiedHeaders()
	return header["typ"] == "dpop+id_token"
}

// renewedEnd is the end of the newest ID token, or earlier if the login asked for a shorter life. Where hosts are not known to accept
// refreshed ID tokens, it is never earlier than the end that the login chose.
func renewedEnd(provider login.Provider, id userkeys.Identity, token *pktoken.Token, now time.Time) time.Time {
	end := login.TokenExpires(token)
	if lasts := lifetime(provider); lasts > 0 && lasts.End(now).Before(end) {
		end = lasts.End(now)
	}
	if !provider.Refresh && (id.ValidBefore.IsZero() || id.ValidBefore.After(end)) {
		return id.ValidBefore
	}
	return end
}

// replaceInAgent adds the renewed key where the agent holds the old one, under the alias that this has there: not every file says it. What
// somebody added by hand stays as it is: they may have wanted it confirmed or dropped, which no agent tells.
func replaceInAgent(
	ctx context.Context, t *terminal, old userkeys.Identity, add func(agent *userkeys.Agent, held userkeys.Identity) error,
) error {
	return withUninvitedAgent(ctx, renewedPatience, func(agent *userkeys.Agent) error {
		held, err := agent.List()
		held = slices.DeleteFunc(held, func(id userkeys.Identity) bool { return !id.SameKey(old) })
		switch {
		case len(held) == 0:
			return err
		case slices.ContainsFunc(held, func(id userkeys.Identity) bool { return id.ByHand }):
			t.note("the ssh-agent has the key with an older certificate, as ssh-add gave it: ssh-add adds the renewed one")
			return nil
		}
		return add(agent, held[0])
	})
}
