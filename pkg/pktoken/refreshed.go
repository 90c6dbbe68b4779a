package pktoken

import (
	"context"
	"errors"
)

func (a *attempt) checkRefreshed(ctx context.Context) error {
	fresh := a.token.refreshed
	if fresh == nil {
		return nil
	}
	wrap := func(err error) error { return rejectCause(ReasonRefreshed, "refreshed ID token", err) }
	if err := a.allowTokenType(fresh.header, true); err != nil {
		return wrap(err)
	}
	for _, name := range []string{"iss", "sub"} {
		original, ok := a.token.claims[name].(string)
		if !ok || fresh.claims[name] != original {
			return wrap(mismatch(ReasonRefreshed, name, original, describe(fresh.claims[name])))
		}
	}
	// OpenID Connect Core §12.2. Without it, the ID token of a person's next login would give an old key that somebody stole a new life.
	if nonce, present := fresh.claims["nonce"]; present {
		if original, ok := a.token.claims["nonce"].(string); !ok || nonce != original {
			return wrap(mismatch(ReasonRefreshed, "nonce", "the original ID token's or none", describe(nonce)))
		}
	}
	if err := a.checkAudience(fresh.claims); err != nil {
		return wrap(err)
	}
	// An audience that is the commitment is as required only if it is the same commitment.
	if a.row.Commitment == CommitmentAudience && fresh.claims["aud"] != a.token.claims["aud"] {
		return wrap(mismatch(ReasonAudience, "aud", describe(a.token.claims["aud"]), describe(fresh.claims["aud"])))
	}
	if typ, _ := providerTokenType(fresh.header); typ == typeKeyBound {
		if err := a.checkKeyBinding(fresh.claims); err != nil {
			return wrap(err)
		}
	}
	if err := a.verifyProvider(ctx, &fresh.signedHeader, fresh.header, fresh.payload64, true); err != nil {
		var r *RejectError
		// That the provider could not be asked says nothing about the token.
		if errors.As(err, &r) && r.Reason == ReasonKeysUnavailable {
			return err
		}
		return wrap(err)
	}
	var err error
	if a.refreshedIssuedAt, err = a.checkIssued(fresh.claims); err != nil {
		return wrap(err)
	}
	if a.refreshedIssuedAt.Before(a.issuedAt) {
		return wrap(mismatch(ReasonRefreshed, "iat", "not before "+stamp(a.issuedAt), stamp(a.refreshedIssuedAt)))
	}
	if a.refreshed, err = requiredTime(fresh.claims, "exp"); err != nil {
		return wrap(err)
	}
	return nil
}
