package pktoken

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Verify checks a parsed token in the order of the specification and returns what it proves. Errors are [*RejectError]; of
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

// run is the list of checks. It returns how far it came.
func (a *attempt) run(ctx context.Context) (step int, err error) {
	checks := []func(context.Context) error{
		a.checkTokenType,
		a.checkAuthorizedParty, // step 4
		a.checkSignature,       // steps 5 and 6
		a.checkCommitment,      // step 7
		a.checkTimeClaims,      // step 8
		a.checkRefreshed,       // step 9
		a.checkExpiry,          // step 8, which needs what step 9 has verified
		a.checkRequired,
	}
	for i, check := range checks {
		if err := check(ctx); err != nil {
			return i, err
		}
	}
	return len(checks), nil
}

// verifyClient checks the user's own signature under the key that the token names.
func (t *Token) verifyClient() (*userKey, error) {
	if err := checkCritical(t.client.header); err != nil {
		return nil, err
	}
	user, err := t.clientHeader()
	if err != nil {
		return nil, err
	}
	if err := verifySignature(user.alg, user.public, t.client.signingInput(t.payload64), t.client.signature); err != nil {
		return nil, reject(ReasonClientSignature, "the signature of the user's key is false")
	}
	return user, nil
}

// rowsFor finds the configured rows for the token's issuer and audience. Rows that name the audience go before those that
// fit any: a login token is never held against a row for CI jobs when there is a row for its client.
func (v *Verifier) rowsFor(t *Token) ([]Provider, error) {
	issuer, present, err := stringMember(t.claims, "iss")
	if err != nil || !present {
		return nil, mismatch(ReasonMalformed, "iss", "a string", describe(t.claims["iss"]))
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
		if !aud.single {
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

func (a *attempt) checkTokenType(context.Context) error {
	return a.allowTokenType(a.token.provider.header, false)
}

// allowTokenType: access tokens only where the row asks for them, key-bound ID tokens where the row is of that kind, and
// there nothing else, but for a refreshed token, which the provider need not bind again.
func (a *attempt) allowTokenType(header map[string]any, refreshed bool) error {
	typ, err := providerTokenType(header)
	if err != nil {
		return rejectCause(ReasonTokenType, "OP token", err)
	}
	keyBinding := a.row.Commitment == CommitmentKeyBinding
	switch {
	case header["alg"] == AlgorithmGQ256:
		// The typ of a proof is the client's word. What the provider signed is held against the row by verifyGQ.
		if typ != typeIDToken {
			return mismatch(ReasonTokenType, "typ of a GQ256 proof", "JWT", describe(header["typ"]))
		}
	case typ == typeKeyBound && !keyBinding:
		return reject(ReasonTokenType, "dpop+id_token is for providers with commitment=cnf")
	case typ != typeKeyBound && keyBinding && !refreshed:
		return mismatch(ReasonTokenType, "typ", "dpop+id_token", describe(header["typ"]))
	case typ == typeATAccessToken && !a.row.AllowAccessTokenType:
		return reject(ReasonTokenType, "at+jwt is an access token; the provider's row does not ask for typ=at+jwt")
	}
	return nil
}

func (a *attempt) checkSignature(ctx context.Context) error {
	p := &a.token.provider
	return a.verifyProvider(ctx, p, p.header, a.token.payload64, false)
}

// verifyProvider checks the signature of the OP token or of the refreshed one.
func (a *attempt) verifyProvider(ctx context.Context, token *signedHeader, header map[string]any, payload64 string, refreshed bool) error {
	if err := checkCritical(header); err != nil {
		return err
	}
	alg, _, err := stringMember(header, "alg")
	if err != nil {
		return rejectCause(ReasonAlgorithm, "alg", err)
	}
	if alg == AlgorithmGQ256 && a.row.Commitment == CommitmentKeyBinding {
		return mismatch(ReasonAlgorithm, "alg for commitment=cnf", strings.Join(jwsAlgorithms, ", "), alg)
	}
	if alg == AlgorithmGQ256 {
		return a.verifyGQ(ctx, token, payload64, refreshed)
	}
	if a.row.Commitment == CommitmentAudience || a.row.Commitment == CommitmentGQ {
		return mismatch(ReasonAlgorithm, "alg for commitment="+a.row.Commitment.String(), AlgorithmGQ256, alg)
	}
	if !slices.Contains(jwsAlgorithms, alg) {
		return mismatch(ReasonAlgorithm, "alg", strings.Join(jwsAlgorithms, ", ")+" or "+AlgorithmGQ256, alg)
	}
	signed := token.signingInput(payload64)
	return a.withProviderKey(ctx, alg, header, func(key providerKey) error {
		if err := verifySignature(alg, key.public, signed, token.signature); err != nil {
			return reject(ReasonSignature, "the provider's signature is false")
		}
		return nil
	})
}

// checkCritical: we understand no extension, so that every `crit` names one that we do not (RFC 7515 §4.1.11).
func checkCritical(header map[string]any) error {
	if crit, present := header["crit"]; present {
		return &RejectError{Reason: ReasonCritical, Detail: "crit names an extension that is not understood", Got: describe(crit)}
	}
	return nil
}

// withProviderKey finds the key that header names and makes the check with it. With a `kid` a newer key set is asked for
// when no key has it; without one, when the only key that fits fails, since that is how a rotation looks then.
func (a *attempt) withProviderKey(ctx context.Context, alg string, header map[string]any, check func(providerKey) error) error {
	kid, hasKeyID, err := stringMember(header, "kid")
	if err != nil {
		return rejectCause(ReasonNoKey, "kid", err)
	}
	if a.keys == nil {
		return reject(ReasonKeysUnavailable, "no source of keys")
	}
	try := func(keys *JWKS) error {
		fitting := keys.candidates(alg, kid, hasKeyID)
		switch {
		case len(fitting) == 0 && hasKeyID:
			return mismatch(ReasonNoKey, "no "+alg+" key with this kid", kid, shortList(keys.KeyIDs()))
		case len(fitting) == 0:
			return reject(ReasonNoKey, "no "+alg+" key")
		case len(fitting) > 1 && !hasKeyID:
			return reject(ReasonNoKey, fmt.Sprintf("the token has no kid, and %d keys fit", len(fitting)))
		case len(fitting) > maxCandidates:
			return reject(ReasonNoKey, fmt.Sprintf("%d keys have this kid", len(fitting)))
		}
		var err error
		for _, key := range fitting {
			if err = check(key); err == nil {
				return nil
			}
		}
		return err
	}
	// The set that usable was asked about is mostly the one that is returned: its keys are tried once.
	var tried *JWKS
	var outcome error
	verify := func(keys *JWKS) error {
		if keys == nil {
			return reject(ReasonKeysUnavailable, "no keys")
		}
		if keys != tried {
			tried, outcome = keys, try(keys)
		}
		return outcome
	}
	usable := func(keys *JWKS) bool {
		err := verify(keys)
		var r *RejectError
		return err == nil || hasKeyID && errors.As(err, &r) && r.Reason == ReasonSignature
	}
	keys, err := a.keys.Keys(ctx, a.row.Issuer, usable)
	if err != nil {
		return rejectCause(ReasonKeysUnavailable, "the provider's keys", err)
	}
	return verify(keys)
}

// maxCandidates bounds the work that keys with the same kid can cause.
const maxCandidates = 8

func shortList(ids []string) string {
	const most = 10
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
	}
	return strings.Join(ids, ", ")
}

func (a *attempt) checkCommitment(context.Context) error {
	want := a.token.Commitment()
	var got any
	switch a.row.Commitment {
	case CommitmentNonce:
		got = a.token.claims["nonce"]
	case CommitmentAudience:
		got = a.token.claims["aud"]
	case CommitmentGQ:
		got = a.token.provider.header["cic"]
	case CommitmentKeyBinding:
		return a.checkKeyBinding(a.token.claims)
	default:
		return reject(ReasonCommitment, "unknown kind of commitment")
	}
	s, ok := got.(string)
	if !ok || subtle.ConstantTimeCompare([]byte(s), []byte(want)) != 1 {
		return mismatch(ReasonCommitment, "commitment in "+a.row.Commitment.String(), want, describe(got))
	}
	return nil
}

// checkKeyBinding compares cnf.jwk (RFC 7800 §3.2) with the user's key by thumbprint.
func (a *attempt) checkKeyBinding(claims map[string]any) error {
	cnf, _ := claims["cnf"].(map[string]any)
	bound, ok := cnf["jwk"].(map[string]any)
	if !ok {
		return reject(ReasonCommitment, "no key in cnf.jwk")
	}
	if _, err := publicKeyFor(bound, a.user.alg); err != nil {
		return rejectCause(ReasonCommitment, "cnf.jwk", err)
	}
	got, err := thumbprint(bound)
	if err != nil {
		return rejectCause(ReasonCommitment, "cnf.jwk", err)
	}
	want, err := thumbprint(a.user.jwk)
	if err != nil {
		return rejectCause(ReasonCommitment, "upk", err)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return mismatch(ReasonCommitment, "thumbprint of cnf.jwk", want, got)
	}
	return nil
}

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
	}
	return nil
}

func (a *attempt) verified() *Verified {
	until, ends := a.validUntil()
	return &Verified{
		token: a.token, provider: a.row, userKey: a.user.public, userJWK: a.user.jwk, claims: a.token.claims,
		issuedAt: a.issuedAt, expiresAt: a.expiresAt, notBefore: a.notBefore, validUntil: until, ends: ends,
	}
}
