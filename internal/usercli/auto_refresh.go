package usercli

import (
	"context"
	"errors"
	"time"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
)

// keepRenewing renews a key until it is interrupted, which is no failure, or until it cannot be renewed any more.
func keepRenewing(ctx context.Context, t *terminal, pair userkeys.Pair, provider login.Provider, refreshToken string) error {
	if refreshToken == "" {
		return loginError(&login.Error{
			Code:   login.CodeNoRefreshToken,
			Detail: "the provider gave no refresh token",
			Hint:   "allow the client refresh tokens at the provider, and set the scopes that it wants for them, such as offline_access",
		})
	}
	first, err := readIdentity(pair)
	if err != nil {
		return err
	}
	t.note("renewing the key until Ctrl-C")
	share := chance()
	due, failures := tokenDue(first, share), 0
	key := keyOf(first)
	r := renewal{pair: pair, provider: &provider, agentLifetime: provider.AgentLifetime, key: &key, due: func(id userkeys.Identity) bool {
		due = tokenDue(id, share) // another process may have renewed it
		return !wallClock().Before(due)
	}}
	for {
		if !sleepUntil(ctx, due) {
			t.note("stopped: the key is not renewed any more")
			return nil
		}
		id, renewed, err := r.run(ctx, t)
		switch {
		case ctx.Err() != nil:
			continue
		case err == nil:
			failures = 0
			if renewed {
				share = chance()
				t.note("renewed: the ID token %s", expiryText(id.TokenExpires, time.Now()))
			}
			due = tokenDue(id, share)
		case isFinal(err):
			return err
		default:
			failures++
			pause := backOff(failures, chance())
			t.note("not renewed, next attempt in %s: %v", distance(pause), err)
			due = wallClock().Add(pause)
		}
	}
}

// tokenDue is when a key is to be renewed; a key that cannot be read is due, so that the reason is found.
func tokenDue(id userkeys.Identity, share float64) time.Time {
	expires := id.TokenExpires
	if !id.ValidBefore.IsZero() && id.ValidBefore.Before(expires) {
		expires = id.ValidBefore // the login asked for a shorter life
	}
	return dueAt(id.TokenIssued, expires, share)
}

// sleepUntil is false if ctx ended before.
func sleepUntil(ctx context.Context, due time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pauseUntil(due, wallClock())):
		}
		if !wallClock().Before(due) {
			return true
		}
	}
}

// isFinal is whether another attempt would end in the same way. What the network is to blame for passes.
func isFinal(err error) bool {
	var failure *login.Error
	if !errors.As(err, &failure) {
		return true
	}
	switch failure.Code {
	case login.CodeDiscovery, login.CodeTokenEndpoint, login.CodeTimeout:
		return false
	case login.CodeIDToken:
		var reject *pktoken.RejectError
		return !errors.As(err, &reject) || reject.Reason != pktoken.ReasonKeysUnavailable
	}
	return true
}
