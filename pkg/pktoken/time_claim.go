package pktoken

import (
	"context"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// timeClaim reads a NumericDate (RFC 7519 §2) with an integral value: seconds from 1970 on, below 2^53.
func timeClaim(claims map[string]any, name string) (value time.Time, present bool, err error) {
	v, present := claims[name]
	if !present {
		return time.Time{}, false, nil
	}
	number, ok := v.(json.Number)
	if !ok {
		return time.Time{}, true, mismatch(ReasonTime, name, "an integer", describe(v))
	}
	seconds, ok := integral(string(number))
	if !ok {
		return time.Time{}, true, mismatch(ReasonTime, name, "seconds since 1970 as an integer", string(number))
	}
	return time.Unix(seconds, 0), true, nil
}

func requiredTime(claims map[string]any, name string) (time.Time, error) {
	value, present, err := timeClaim(claims, name)
	if err == nil && !present {
		err = reject(ReasonTime, name+" is missing")
	}
	return value, err
}

// integral reads a JSON number whose value is an integer in [0, 2^53), in whichever way it is written.
func integral(number string) (int64, bool) {
	const limit = 1 << 53
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return n, n >= 0 && n < limit
	}
	// An exponent can make a short number huge: bound it before big.Rat expands it.
	if len(number) > 64 {
		return 0, false
	}
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(number[i+1:]); err != nil || exp < -64 || exp > 64 {
			return 0, false
		}
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	n := r.Num().Int64()
	return n, n >= 0 && n < limit
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (a *attempt) checkTimeClaims(context.Context) error {
	var err error
	if a.issuedAt, err = a.checkIssued(a.token.claims); err != nil {
		return err
	}
	if a.expiresAt, err = requiredTime(a.token.claims, "exp"); err != nil {
		return err
	}
	a.notBefore, _, err = timeClaim(a.token.claims, "nbf")
	return err
}

// checkIssued requires `iat`, and that neither it nor `nbf` lies in the future.
func (a *attempt) checkIssued(claims map[string]any) (time.Time, error) {
	issued, err := requiredTime(claims, "iat")
	if err != nil {
		return issued, err
	}
	notBefore, _, err := timeClaim(claims, "nbf")
	if err != nil {
		return issued, err
	}
	latest := a.now.Add(clockSkew)
	if issued.After(latest) {
		return issued, mismatch(ReasonNotYetValid, "iat lies in the future", "at most "+stamp(latest), stamp(issued))
	}
	if notBefore.After(latest) {
		return issued, mismatch(ReasonNotYetValid, "nbf lies in the future", "at most "+stamp(latest), stamp(notBefore))
	}
	return issued, nil
}
