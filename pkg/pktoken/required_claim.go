package pktoken

import (
	"context"
)

// checkRequired looks at what the row asks for beyond the format.
func (a *attempt) checkRequired(context.Context) error {
	claims := a.token.claims
	for _, want := range a.row.Require {
		if !ClaimMatches(claims[want.Name], want.Value) {
			return mismatch(ReasonRequiredClaim, "claim "+want.Name, want.Value, describe(claims[want.Name]))
		}
	}
	if a.row.ACR != "" && claims["acr"] != a.row.ACR {
		return mismatch(ReasonRequiredClaim, "acr", a.row.ACR, describe(claims["acr"]))
	}
	if a.row.MaxAuthAge != 0 {
		at, err := requiredTime(claims, "auth_time")
		if err != nil {
			return rejectCause(ReasonRequiredClaim, "max-auth-age", err)
		}
		if oldest := a.now.Add(-a.row.MaxAuthAge); at.Before(oldest) {
			return mismatch(ReasonRequiredClaim, "auth_time", "not before "+stamp(oldest), stamp(at))
		}
		if latest := a.now.Add(clockSkew); at.After(latest) {
			return mismatch(ReasonRequiredClaim, "auth_time", "at most "+stamp(latest), stamp(at))
		}
	}
	return nil
}
