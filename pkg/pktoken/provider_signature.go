package pktoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (a *attempt) checkSignature(ctx context.Context) error {
	// Nobody checks a cosigner's signature, but its header must not ask for more than we understand.
	if c := a.token.cosigner; c != nil {
		if err := checkCritical(c.header); err != nil {
			return rejectCause(ReasonCritical, "COS token", err)
		}
	}
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
			return mismatch(ReasonNoKey, "no "+alg+" key with this kid", shortList(keys.KeyIDs()), kid)
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
