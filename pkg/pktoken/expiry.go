package pktoken

import (
	"context"
	"time"
)

// validUntil is when the row's expiration policy ends; never is false for ExpiryNever.
func (a *attempt) validUntil() (until time.Time, ends bool) {
	switch a.row.Expiry.Kind {
	case ExpiryNever:
		return time.Time{}, false
	case ExpiryMaxAge:
		return a.issuedAt.Add(a.row.Expiry.MaxAge), true
	case ExpiryOIDCRefreshed:
		if a.refreshed.After(a.expiresAt) {
			return a.refreshed, true
		}
	}
	return a.expiresAt, true
}

func (a *attempt) checkExpiry(context.Context) error {
	until, ends := a.validUntil()
	if ends && !a.now.Before(until) {
		return mismatch(ReasonExpired, "the token is no longer valid", "before "+stamp(until), stamp(a.now))
	}
	return nil
}
