package pktoken

import (
	"context"
	"time"
)

// Verifier checks PK tokens. Without Providers it accepts nothing.
type Verifier struct {
	Providers []Provider
	Keys      KeySet
	Now       func() time.Time // nil means time.Now
}

// clockSkew is how far `iat` and `nbf` may lie ahead of our clock.
const clockSkew = 60 * time.Second

// Verify checks a parsed token in the order of the Reason constants and returns what it proves. Errors are [*RejectError]; of
// several rows that fit the token's issuer and audience the first that accepts it counts, and if none does, the error is
// that of the row that got furthest. No network request is made for an issuer that is not configured.
func (v *Verifier) Verify(ctx context.Context, t *Token) (*Verified, error) {
	// Step 1, sizes and structure, was Parse.
	user, err := t.verifyClient() // step 2
	if err != nil {
		return nil, err
	}
	rows, err := v.rowsFor(t) // steps 3 and 4
	if err != nil {
		return nil, err
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	var furthest error
	reached := -1
	for _, row := range rows {
		a := &attempt{token: t, user: user, row: row, keys: v.Keys, now: now()}
		step, err := a.run(ctx)
		if err == nil {
			return a.verified(), nil
		}
		if step > reached {
			reached, furthest = step, err
		}
	}
	return nil, furthest
}

// attempt is one token held against one row.
type attempt struct {
	token *Token
	user  *userKey
	row   Provider
	keys  KeySet
	now   time.Time

	issuedAt, expiresAt          time.Time
	notBefore                    time.Time // zero without `nbf`
	refreshedIssuedAt, refreshed time.Time // `iat` and `exp` of the refreshed token, zero without one
}

// run makes the checks one after another. It returns how far it came.
func (a *attempt) run(ctx context.Context) (step int, err error) {
	checks := []func(context.Context) error{
		a.checkTokenType,
		a.checkAuthorizedParty, // step 4
		a.checkSignature,       // steps 5 and 6
		a.checkCommitment,      // step 7
		a.checkTimeClaims,      // step 8
	}
	if a.row.Expiry.Kind == ExpiryOIDCRefreshed {
		// How long such a token is valid is what step 9 finds out.
		checks = append(checks, a.checkRefreshed, a.checkExpiry, a.checkRequired)
	} else {
		checks = append(checks, a.checkExpiry, a.checkRefreshed, a.checkRequired)
	}
	for i, check := range checks {
		if err := check(ctx); err != nil {
			return i, err
		}
	}
	return len(checks), nil
}

func (a *attempt) verified() *Verified {
	until, ends := a.validUntil()
	return &Verified{
		token: a.token, provider: a.row, userKey: a.user.public, userJWK: a.user.jwk, claims: a.token.claims,
		issuedAt: a.issuedAt, expiresAt: a.expiresAt, notBefore: a.notBefore, validUntil: until, ends: ends,
	}
}
