package pktoken

import (
	"slices"
	"strings"
)

// rowsFor finds the configured rows for the token's issuer and audience. Rows that name the audience go before those that
// fit any: a login token is never held against a row for CI jobs when there is a row for its client.
func (v *Verifier) rowsFor(t *Token) ([]Provider, error) {
	issuer, ok := t.claims["iss"].(string)
	if !ok {
		return nil, mismatch(ReasonUnknownIssuer, "iss", "a string", describe(t.claims["iss"]))
	}
	var ofIssuer, exact, any []Provider
	var known []string
	for _, row := range v.Providers {
		if row.Issuer == issuer {
			ofIssuer = append(ofIssuer, row)
			known = append(known, row.ClientID)
		}
	}
	if len(ofIssuer) == 0 {
		return nil, &RejectError{Reason: ReasonUnknownIssuer, Detail: "the issuer is not configured", Got: issuer}
	}
	audience, err := audienceOf(t.claims)
	if err != nil {
		return nil, err
	}
	for _, row := range ofIssuer {
		switch {
		case row.ClientID != "" && !row.anyAudience() && slices.Contains(audience.values, row.ClientID):
			exact = append(exact, row)
		case row.anyAudience():
			any = append(any, row)
		}
	}
	switch {
	case len(exact) > 0:
		return exact, nil
	case len(any) > 0:
		return any, nil
	}
	return nil, mismatch(ReasonAudience, "the issuer is configured, but not for this audience",
		strings.Join(known, " or "), strings.Join(audience.values, ", "))
}
