package pktoken

import (
	"context"
	"slices"
	"strings"
)

// audience is the claim `aud` (OpenID Connect Core §2): one string, or an array of strings.
type audience struct {
	values []string
	single bool
}

func audienceOf(claims map[string]any) (audience, error) {
	switch aud := claims["aud"].(type) {
	case string:
		return audience{values: []string{aud}, single: true}, nil
	case []any:
		values := make([]string, len(aud))
		for i, v := range aud {
			s, ok := v.(string)
			if !ok {
				return audience{}, mismatch(ReasonMalformed, "aud", "strings", describe(v))
			}
			values[i] = s
		}
		return audience{values: values}, nil
	default:
		return audience{}, mismatch(ReasonMalformed, "aud", "a string or an array of strings", describe(aud))
	}
}

// checkAudience holds an audience against the row. It is made again for a refreshed token.
func (a *attempt) checkAudience(claims map[string]any) error {
	aud, err := audienceOf(claims)
	if err != nil {
		return err
	}
	switch a.row.Commitment {
	case CommitmentAudience, CommitmentGQ:
		if !aud.single && (!a.row.AllowAudienceArray || len(aud.values) != 1) {
			return mismatch(ReasonAudience, "aud", "a single string", "an array")
		}
	}
	if a.row.Commitment == CommitmentGQ && !strings.HasPrefix(aud.values[0], GQAudiencePrefix) {
		return mismatch(ReasonAudience, "aud", GQAudiencePrefix+"…", aud.values[0])
	}
	if a.row.anyAudience() {
		return nil
	}
	if !slices.Contains(aud.values, a.row.ClientID) {
		return mismatch(ReasonAudience, "aud", a.row.ClientID, strings.Join(aud.values, ", "))
	}
	if azp, present := claims["azp"]; present && !aud.single && azp != a.row.ClientID {
		return mismatch(ReasonAuthorizedParty, "azp", a.row.ClientID, describe(azp))
	}
	return nil
}

func (a *attempt) checkAuthorizedParty(context.Context) error {
	return a.checkAudience(a.token.claims)
}
